//! The results for people who read: the promises, a table for every scenario, and the page around them.

use std::fmt::Write as _;

use super::promises::verdicts;
use super::results::{Cell, Quantity, Results, Rounds, Summary};
use super::scenario::{Method, Scenario};
use super::server::Server;
use crate::bench::table::number;

/// The page, in Markdown.
pub(super) fn page(results: &Results) -> String {
    let Results { machine, rounds, seconds, versions, .. } = results;
    format!(
        "# Speed\n\
         wasm-host beside its peers. Written by `cargo xtask bench speed`; ../README.md says what is measured and \
         how.\n\n\
         ![Answers per second of every server in every scenario](speed.svg)\n\n\
         {}. Server and client share all cores.{}\n{}.\n\
         Medians of {rounds} rounds, {seconds} s each; in brackets the least and the most of them. The last column \
         is\nhow many times as much wasm-host has: the median of the rounds. *client* is what asking took of a core: near 100\nit was the client that was measured.\n\n{}",
        machine.line(),
        machine.load_line(),
        versions.join(", "),
        tables(results),
    )
}

/// The tables, in Markdown.
pub(super) fn tables(results: &Results) -> String {
    let mut text = String::new();
    promises(&mut text, results);
    for scenario in Scenario::ALL {
        let cells: Vec<_> = results.cells.iter().filter(|cell| cell.scenario == scenario).collect();
        if !cells.is_empty() {
            table(&mut text, results, scenario, &cells);
        }
    }
    text
}

// Writing to a string cannot fail.
fn promises(text: &mut String, results: &Results) {
    text.push_str("## Promises\n| promise | measured | required | |\n|---|--:|--:|---|\n");
    for verdict in verdicts(results) {
        let [shown, word] = [&verdict.shown(), verdict.word()];
        let _ = writeln!(text, "| {} | {shown} | {} | {word} |", verdict.what, verdict.required);
    }
}

fn table(text: &mut String, results: &Results, scenario: Scenario, cells: &[&Cell]) {
    let quantities = columns(scenario.method());
    let _ = write!(text, "\n## {}\n| server |", upper(scenario.title()));
    for (_, name) in quantities {
        let _ = write!(text, " {name} |");
    }
    let _ = writeln!(text, " wasm-host |\n|---|{}--:|", "--:|".repeat(quantities.len()));
    for cell in cells {
        let failed = cell.outcome.as_ref().map_or(0.0, Rounds::failed);
        let failed = if failed > 0.0 { format!(", {} failed", number(failed)) } else { String::new() };
        let _ = write!(text, "| {}{failed} |", cell.server.name());
        match &cell.outcome {
            Err(reason) => {
                let _ = writeln!(text, " not measured: {reason} |{}", " |".repeat(quantities.len()));
            }
            Ok(rounds) => {
                for (quantity, _) in quantities {
                    let _ = write!(text, " {} |", figure(*quantity, rounds));
                }
                let ours = (scenario, Server::WasmHost);
                let ratio = results.ratio(quantities[0].0, ours, (scenario, cell.server));
                let ratio = ratio.filter(|ratio| ratio.is_finite() && cell.server != Server::WasmHost);
                let _ =
                    writeln!(text, " {} |", ratio.map(|ratio| format!("{ratio:.2}×")).unwrap_or_default());
            }
        }
    }
}

/// What is shown of a scenario: the first is what is compared.
fn columns(method: Method) -> &'static [(Quantity, &'static str)] {
    match method {
        Method::Crowd { .. } => &[
            (Quantity::PerSecond, "requests/s"),
            (Quantity::P50Ms, "p50, ms"),
            (Quantity::P99Ms, "p99, ms"),
            (Quantity::ClientPercent, "client, %"),
        ],
        Method::Alone { .. } => &[(Quantity::P50Ms, "p50, ms"), (Quantity::P99Ms, "p99, ms")],
        Method::Start => &[(Quantity::StartMs, "ms")],
        Method::Memory(_) => &[(Quantity::Kib, "KiB")],
    }
}

/// The median of a quantity, with its spread where there is one.
fn figure(quantity: Quantity, rounds: &Rounds) -> String {
    let Some(Summary { median, least, most }) = rounds.summary(quantity) else { return "–".to_owned() };
    let shown = |value: f64| match value {
        value if value.is_infinite() => "no answer".to_owned(),
        value if value.abs() < 9.995 => format!("{value:.2}"),
        value if value.abs() < 99.95 => format!("{value:.1}"),
        value => number(value),
    };
    match rounds.of(quantity).len() {
        _ if quantity == Quantity::ClientPercent => format!("{median:.0}"),
        1 => shown(median),
        _ => format!("{} ({}–{})", shown(median), shown(least), shown(most)),
    }
}

fn upper(title: &str) -> String {
    let mut letters = title.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::super::results::Figure;
    use super::super::results::tests::example;
    use super::*;

    #[test]
    fn tables_have_a_line_for_every_server_and_what_is_compared() {
        let tables = tables(&example());
        let expected = "\
            ## Hello in Rust\n\
            | server | requests/s | p50, ms | p99, ms | client, % | wasm-host |\n\
            |---|--:|--:|--:|--:|--:|\n\
            | wasm-host | 12,000 (10,000–60,000) | 1.50 (1.50–1.50) | no answer (no answer–no answer) | 40 |  |\n\
            | wasmtime serve | 2,500 (2,000–10,000) | 1.50 (1.50–1.50) | no answer (no answer–no answer) | 40 | 6.00× |\n\
            | workerd | not measured: npm could not install it | | | | |\n";
        assert!(tables.contains(expected), "{tables}");
        assert!(tables.contains("| wasm-host | 30.0 |  |\n"), "{tables}");
        assert!(!tables.contains("## Echo"), "what was not measured has no table: {tables}");
    }

    #[test]
    fn failed_requests_are_told() {
        let mut results = example();
        let rounds = results.cells[1].outcome.as_mut().expect("measured");
        rounds.push(&[Figure { quantity: Quantity::Failed, value: 3.0 }]);
        assert!(tables(&results).contains("| wasmtime serve, 3 failed | 2,500"));
    }

    #[test]
    fn page_names_machine_and_versions() {
        let page = page(&example());
        assert!(page.contains("\n2026-01-02, Linux 1 on Some <CPU> (2 cores). Server"), "{page}");
        assert!(page.contains("\nwasm-host 1, wasmtime 48.\nMedians of 3 rounds, 4 s each"), "{page}");
    }
}
