//! The answers per second as a picture: a bar for every server, as long as its share of the most that any
//! server had in the scenario.

use std::fmt::{Error, Write as _};

use super::results::{Quantity, Results};
use super::scenario::{Method, Scenario};
use super::server::Server;
use crate::bench::chart::{BAR_HEIGHT, BAR_STEP, STYLE, WIDTH, text};
use crate::bench::table::number;

/// Sizes and places in pixels.
const TOP: usize = 44;
const GROUP_STEP: usize = 40;
const NAMES_RIGHT: usize = 220;
const BARS_LEFT: usize = 230;
const BARS_WIDTH: usize = 560;

/// Draws the picture.
pub(super) fn picture(results: &Results) -> String {
    let mut svg = String::new();
    draw(results, &mut svg).expect("svg: a string takes everything");
    svg
}

/// A scenario with its bars: who, and answers per second.
fn groups(results: &Results) -> Vec<(Scenario, Vec<(Server, f64)>)> {
    let is_shown = |scenario: &Scenario| matches!(scenario.method(), Method::Crowd { .. });
    let mut groups = Vec::new();
    for scenario in Scenario::ALL.into_iter().filter(is_shown) {
        let bar = |&server: &Server| {
            let summary = results.rounds(scenario, server)?.summary(Quantity::PerSecond)?;
            Some((server, summary.median))
        };
        let bars: Vec<_> = scenario.servers().iter().filter_map(bar).collect();
        if !bars.is_empty() {
            groups.push((scenario, bars));
        }
    }
    groups
}

fn draw(results: &Results, svg: &mut String) -> Result<(), Error> {
    let groups = groups(results);
    let heights = groups.iter().map(|(_, bars)| GROUP_STEP + bars.len() * BAR_STEP);
    let height = TOP + heights.sum::<usize>() + 34;
    writeln!(
        svg,
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">
<title>Answers per second of every server in every scenario</title>
<style>
{STYLE}</style>
<rect class="paper" width="{WIDTH}" height="{height}" rx="8"/>"#
    )?;
    text(svg, 20, 26, "title", "start", "answers per second: longer is better")?;
    let mut y = TOP;
    for (scenario, bars) in groups {
        text(svg, 20, y + 22, "server", "start", scenario.title())?;
        y += 30;
        let most = bars.iter().map(|(_, rate)| *rate).fold(f64::MIN_POSITIVE, f64::max);
        for (server, rate) in bars {
            draw_bar(svg, y, server, rate, rate / most)?;
            y += BAR_STEP;
        }
        y += GROUP_STEP - 30;
    }
    let machine = &results.machine;
    let below = format!("{}, {} cores, {}", machine.cpu, machine.cores, machine.date);
    text(svg, 20, height - 14, "quiet", "start", &below)?;
    writeln!(svg, "</svg>")
}

fn draw_bar(svg: &mut String, y: usize, server: Server, rate: f64, share: f64) -> Result<(), Error> {
    text(svg, NAMES_RIGHT, y + BAR_HEIGHT - 2, "quiet", "end", server.name())?;
    let class = if server.is_ours() { "host" } else { "peer" };
    // A bar that would be too small to be seen is a line.
    let width = (BARS_WIDTH as f64 * share).max(1.5);
    writeln!(
        svg,
        r#"<rect class="{class}" x="{BARS_LEFT}" y="{y}" width="{width:.1}" height="{BAR_HEIGHT}" rx="2"/>"#
    )?;
    let figure_at = BARS_LEFT + width as usize + 6;
    text(svg, figure_at, y + BAR_HEIGHT - 2, "figure", "start", &number(rate))
}

#[cfg(test)]
mod tests {
    use super::super::results::tests::example;
    use super::*;

    #[test]
    fn bars_are_shares_of_the_longest() {
        let picture = picture(&example());
        assert!(picture.contains(r#"<rect class="host" x="230" y="74" width="560.0""#), "{picture}");
        assert!(picture.contains(r#"<rect class="peer" x="230" y="91" width="116.7""#), "{picture}");
        assert!(picture.contains(">12,000<") && picture.contains(">2,500<"), "{picture}");
        assert_eq!(picture.matches("<rect class=").count(), 3, "paper and two bars: what starts has none");
    }
}
