//! The results as a picture for the README: what is left of the throughput, and how long a light
//! request takes, for every server and number of runaways.
//!
//! SVG by hand: it follows the reader's light or dark scheme, says every figure in words as well, and
//! is small enough to be read in a diff.

use std::fmt::{Error, Write as _};

use super::record::{Cell, Finding, Record};
use super::table::{NO_ANSWER, REFUSED, TOO_SLOW, bounded_time, kept, number};

/// Sizes and places in pixels.
pub(super) const WIDTH: usize = 900;
const TOP: usize = 74;
pub(super) const BAR_HEIGHT: usize = 13;
pub(super) const BAR_STEP: usize = 17;
const GROUP_GAP: usize = 15;
const COUNTS_RIGHT: usize = 262;
const KEPT: Panel = Panel { left: 270, width: 220 };
const P99: Panel = Panel { left: 585, width: 220 };

/// The shares of throughput with a line, in percent.
const KEPT_LINES: [u32; 3] = [0, 50, 100];
/// The share that is as wide as the panel: a little more than can be kept.
const KEPT_MAX: f64 = 1.1;
/// The times with a line, in milliseconds; ten times as long is one step further.
const P99_LINES: [(f64, &str); 5] =
    [(0.1, "0.1 ms"), (1.0, "1 ms"), (10.0, "10 ms"), (100.0, "100 ms"), (1000.0, "1 s")];
/// The longest time: what takes longer has failed.
const P99_MAX_MS: f64 = 2000.0;

/// How all charts look.
pub(super) const STYLE: &str = "\
    text { font: 12px system-ui, sans-serif; fill: #1f2328 }\n\
    .paper { fill: #ffffff }\n\
    .title { font-weight: 600; font-size: 14px }\n\
    .server { font-weight: 600 }\n\
    .quiet { fill: #59636e; font-size: 11px }\n\
    .none { fill: #cf222e; font-weight: 600 }\n\
    .line { stroke: #d1d9e0 }\n\
    .host { fill: #1a7f37 }\n\
    .peer { fill: #818b98 }\n\
    @media (prefers-color-scheme: dark) {\n\
    text { fill: #f0f6fc }\n\
    .paper { fill: #0d1117 }\n\
    .quiet { fill: #9198a1 }\n\
    .none { fill: #ff7b72 }\n\
    .line { stroke: #3d444d }\n\
    .host { fill: #3fb950 }\n\
    .peer { fill: #6e7681 }\n\
    }\n";

/// A part of the picture with a scale of its own.
struct Panel {
    left: usize,
    width: usize,
}

impl Panel {
    /// Where `share` of the width is.
    fn at(&self, share: f64) -> f64 {
        self.left as f64 + self.width as f64 * share
    }
}

/// Draws the chart.
pub(super) fn chart(record: &Record) -> String {
    let mut svg = String::new();
    draw(record, &mut svg).expect("svg: a string takes everything");
    svg
}

fn draw(record: &Record, svg: &mut String) -> Result<(), Error> {
    let heights = record.findings.iter().map(|finding| group_height(finding) + GROUP_GAP);
    let bottom = TOP + heights.sum::<usize>();
    let height = bottom + 34;
    writeln!(
        svg,
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">
<title>Throughput kept and p99 of a light request beside requests that loop forever</title>
<style>
{STYLE}</style>
<rect class="paper" width="{WIDTH}" height="{height}" rx="8"/>"#
    )?;
    text(svg, KEPT.left, 26, "title", "start", "throughput kept: longer is better")?;
    text(svg, P99.left, 26, "title", "start", "p99 of a light request: shorter is better")?;
    text(svg, COUNTS_RIGHT - 14, 48, "quiet", "end", "runaway requests")?;
    for percent in KEPT_LINES {
        grid_line(svg, KEPT.at(f64::from(percent) / 100.0 / KEPT_MAX), bottom, &format!("{percent} %"))?;
    }
    for (ms, label) in P99_LINES {
        grid_line(svg, P99.at(time_share(ms)), bottom, label)?;
    }
    let mut y = TOP;
    for finding in &record.findings {
        draw_group(svg, finding, y)?;
        y += group_height(finding) + GROUP_GAP;
    }
    let machine = &record.machine;
    let one_core = if record.one_core { "; server and client on one each" } else { "" };
    let below = format!("{}, {} cores{one_core}, {}", machine.cpu, machine.cores, machine.date);
    text(svg, 20, height - 14, "quiet", "start", &below)?;
    writeln!(svg, "</svg>")
}

fn grid_line(svg: &mut String, x: f64, bottom: usize, label: &str) -> Result<(), Error> {
    text(svg, x as usize, 48, "quiet", "middle", label)?;
    writeln!(svg, r#"<path class="line" d="M{x:.1} 56V{bottom}"/>"#)
}

/// The cells with bars: all but the one without runaways.
fn bars(finding: &Finding) -> impl Iterator<Item = &Cell> {
    let cells = finding.outcome.as_ref().map_or(&[][..], |measured| &measured.cells);
    cells.iter().filter(|cell| cell.runaways > 0)
}

fn group_height(finding: &Finding) -> usize {
    bars(finding).count().max(1) * BAR_STEP
}

fn draw_group(svg: &mut String, finding: &Finding, y: usize) -> Result<(), Error> {
    let name = finding.server.name();
    text(svg, 20, y + BAR_HEIGHT - 2, "server", "start", name)?;
    let bar = match name {
        "wasm-host" => "host",
        _ => "peer",
    };
    if let Err(reason) = &finding.outcome {
        let reason = format!("not measured: {reason}");
        return text(svg, KEPT.left, y + BAR_HEIGHT - 2, "quiet", "start", &reason);
    }
    for (index, cell) in bars(finding).enumerate() {
        let y = y + index * BAR_STEP;
        text(svg, COUNTS_RIGHT, y + BAR_HEIGHT - 2, "quiet", "end", &number(cell.runaways as f64))?;
        let share = cell.kept.filter(|&share| share > 0.0).map(|share| (share / KEPT_MAX).min(1.0));
        draw_bar(svg, &KEPT, y, bar, share, &kept(cell))?;
        let p99 = cell.median.hello.p99;
        draw_bar(
            svg,
            &P99,
            y,
            bar,
            p99.map(|p99| time_share(p99.as_secs_f64() * 1000.0)),
            &bounded_time(cell, &cell.median.hello, p99),
        )?;
    }
    Ok(())
}

/// A bar with its figure behind it; without a share of the width, only the figure.
fn draw_bar(
    svg: &mut String,
    panel: &Panel,
    y: usize,
    class: &str,
    share: Option<f64>,
    figure: &str,
) -> Result<(), Error> {
    let end = panel.at(share.unwrap_or(0.0));
    if share.is_some() {
        // A bar that would be too small to be seen is a line.
        let width = (end - panel.left as f64).max(1.5);
        writeln!(
            svg,
            r#"<rect class="{class}" x="{}" y="{y}" width="{width:.1}" height="{BAR_HEIGHT}" rx="2"/>"#,
            panel.left
        )?;
    }
    let class = if [NO_ANSWER, TOO_SLOW, REFUSED].contains(&figure) { "none" } else { "figure" };
    text(svg, end as usize + 6, y + BAR_HEIGHT - 2, class, "start", figure)
}

/// How far along the logarithmic scale a time is.
fn time_share(ms: f64) -> f64 {
    let (first, _) = P99_LINES[0];
    ((ms / first).ln() / (P99_MAX_MS / first).ln()).clamp(0.0, 1.0)
}

/// Writes words.
pub(super) fn text(
    svg: &mut String,
    x: usize,
    y: usize,
    class: &str,
    anchor: &str,
    content: &str,
) -> Result<(), Error> {
    let content = content.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    writeln!(svg, r#"<text class="{class}" x="{x}" y="{y}" text-anchor="{anchor}">{content}</text>"#)
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::example;
    use super::*;

    /// The lines of the example's chart that have `part` in them.
    fn lines_with(part: &str) -> Vec<String> {
        chart(&example()).lines().filter(|line| line.contains(part)).map(str::to_owned).collect()
    }

    #[test]
    fn figures_stand_behind_their_bars() {
        let bars = lines_with(r#"class="host" x"#);
        assert_eq!(bars.len(), 2, "throughput and p99 with 8 runaways, and nothing without");
        assert!(bars[0].contains(r#"width="190.0""#), "95 of 110 parts of 220: {}", bars[0]);
        assert!(lines_with(">95 %<").len() == 1 && lines_with(">2.00 ms<").len() == 1);
    }

    #[test]
    fn no_answer_is_said_where_there_is_no_bar() {
        assert!(lines_with(r#"class="peer" x"#).is_empty());
        assert_eq!(lines_with(r#"class="none""#).len(), 2);
        assert_eq!(lines_with(">not measured: npm could not install it<").len(), 1);
    }

    #[test]
    fn text_is_escaped_and_tags_are_closed() {
        let chart = chart(&example());
        assert!(chart.contains("Some &lt;CPU&gt;, 2 cores"));
        assert!(chart.starts_with("<svg ") && chart.ends_with("</svg>\n"));
        assert_eq!(chart.matches("<text").count(), chart.matches("</text>").count());
    }

    #[test]
    fn times_are_on_a_logarithmic_scale() {
        assert_eq!([0.05, 0.1, 2000.0, 9000.0].map(time_share), [0.0, 0.0, 1.0, 1.0]);
        let step = time_share(10.0) - time_share(1.0);
        assert!((time_share(100.0) - time_share(10.0) - step).abs() < 1e-9);
    }
}
