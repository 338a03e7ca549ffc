//! What a run has found: the figures of every round, for every server in every scenario.

use std::collections::BTreeMap;

use clap::ValueEnum;
use serde_json::{Value, json};

use super::promises;
use super::scenario::Scenario;
use super::server::Server;
use crate::bench::machine::Machine;
use crate::bench::record::{machine_json, rounded};
use crate::bench::statistics::median_number;

/// What a figure is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Quantity {
    PerSecond,
    P50Ms,
    P99Ms,
    StartMs,
    Kib,
    /// Requests that got something else than an answer, or none.
    Failed,
    /// What the client had of a core.
    ClientPercent,
}

/// One figure. Infinite where most requests had no answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Figure {
    pub(super) quantity: Quantity,
    pub(super) value: f64,
}

/// All that a run has found, and under which conditions.
pub(super) struct Results {
    pub(super) machine: Machine,
    pub(super) rounds: usize,
    pub(super) seconds: u64,
    /// The programs that were measured, as they tell their names and versions.
    pub(super) versions: Vec<String>,
    /// In the order of the results.
    pub(super) cells: Vec<Cell>,
}

/// A server in a scenario.
pub(super) struct Cell {
    pub(super) scenario: Scenario,
    pub(super) server: Server,
    /// Every figure in every round; or why there are none, in a few words.
    pub(super) outcome: Result<Rounds, String>,
}

/// The figures of every quantity, in the order of the rounds.
#[derive(Default)]
pub(super) struct Rounds(BTreeMap<Quantity, Vec<f64>>);

/// A quantity over all rounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Summary {
    pub(super) median: f64,
    pub(super) least: f64,
    pub(super) most: f64,
}

impl Quantity {
    /// What programs know it by.
    fn key(self) -> &'static str {
        match self {
            Self::PerSecond => "requests_per_second",
            Self::P50Ms => "p50_ms",
            Self::P99Ms => "p99_ms",
            Self::StartMs => "start_ms",
            Self::Kib => "resident_kib",
            Self::Failed => "failed",
            Self::ClientPercent => "client_percent",
        }
    }
}

impl Figure {
    /// A figure in words.
    pub(super) fn told(&self) -> String {
        let Self { quantity, value } = self;
        match quantity {
            Quantity::PerSecond => format!("{value:.0}/s"),
            Quantity::P50Ms => format!("p50 {value:.2} ms"),
            Quantity::P99Ms => format!("p99 {value:.2} ms"),
            Quantity::StartMs => format!("{value:.1} ms"),
            Quantity::Kib => format!("{value:.0} KiB"),
            Quantity::Failed => format!("{value:.0} failed"),
            Quantity::ClientPercent => format!("client at {value:.0} %"),
        }
    }
}

impl Rounds {
    /// Adds a round.
    pub(super) fn push(&mut self, figures: &[Figure]) {
        for Figure { quantity, value } in figures {
            self.0.entry(*quantity).or_default().push(*value);
        }
    }

    /// The figures of a quantity.
    pub(super) fn of(&self, quantity: Quantity) -> &[f64] {
        self.0.get(&quantity).map_or(&[], Vec::as_slice)
    }

    /// How many requests failed in all rounds.
    pub(super) fn failed(&self) -> f64 {
        self.of(Quantity::Failed).iter().sum()
    }

    /// Sums up a quantity; none where it was not measured.
    pub(super) fn summary(&self, quantity: Quantity) -> Option<Summary> {
        let figures = self.of(quantity);
        Some(Summary {
            median: median_number(figures.iter().copied())?,
            least: figures.iter().copied().reduce(f64::min)?,
            most: figures.iter().copied().reduce(f64::max)?,
        })
    }
}

impl Results {
    /// What was found of a server in a scenario; none where it was not measured.
    pub(super) fn rounds(&self, scenario: Scenario, server: Server) -> Option<&Rounds> {
        let cell = self.cells.iter().find(|cell| cell.scenario == scenario && cell.server == server)?;
        cell.outcome.as_ref().ok()
    }

    /// How many times as much of a quantity one has as another: the median of what it was in each round,
    /// whose turns were minutes apart at most.
    pub(super) fn ratio(
        &self,
        quantity: Quantity,
        of: (Scenario, Server),
        to: (Scenario, Server),
    ) -> Option<f64> {
        let [of, to] = [of, to].map(|(scenario, server)| self.rounds(scenario, server));
        let rounds = of?.of(quantity).iter().zip(to?.of(quantity));
        median_number(rounds.map(|(of, to)| of / to))
    }

    /// Everything, for programs. Figures that are `null` are those of requests that were not answered.
    pub(super) fn json(&self) -> String {
        let value = json!({
            "date": self.machine.date,
            "machine": machine_json(&self.machine),
            "rounds": self.rounds,
            "seconds": self.seconds,
            "versions": self.versions,
            "promises": promises::verdicts(self).iter().map(promises::Verdict::json).collect::<Vec<_>>(),
            "results": self.cells.iter().map(Cell::json).collect::<Vec<_>>(),
        });
        format!("{value:#}\n")
    }
}

impl Cell {
    fn json(&self) -> Value {
        let mut value = json!({
            "scenario": name(&self.scenario),
            "title": self.scenario.title(),
            "server": name(&self.server),
        });
        match &self.outcome {
            Err(reason) => value["not_measured"] = json!(reason),
            Ok(rounds) => {
                for (quantity, figures) in &rounds.0 {
                    let digits = |figure: f64| rounded(figure, 1000.0);
                    let figures: Vec<_> = figures.iter().copied().map(digits).collect();
                    let median = rounds.summary(*quantity).map(|summary| digits(summary.median));
                    value[quantity.key()] = json!({ "median": median, "rounds": figures });
                }
            }
        }
        value
    }
}

/// What somebody would type to have it measured.
fn name(value: &impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Two servers that said hello, another that could not be had, and one that starts.
    pub(in super::super) fn example() -> Results {
        let crowd = |rates: &[f64]| {
            let mut rounds = Rounds::default();
            for &value in rates {
                let ms = |quantity, value| Figure { quantity, value };
                rounds.push(&[
                    Figure { quantity: Quantity::PerSecond, value },
                    ms(Quantity::P50Ms, 1.5),
                    ms(Quantity::P99Ms, f64::INFINITY),
                    ms(Quantity::ClientPercent, 40.0),
                ]);
            }
            Ok(rounds)
        };
        let mut start = Rounds::default();
        start.push(&[Figure { quantity: Quantity::StartMs, value: 30.0 }]);
        let cell = |scenario, server, outcome| Cell { scenario, server, outcome };
        Results {
            machine: Machine::example(),
            rounds: 3,
            seconds: 4,
            versions: vec!["wasm-host 1".to_owned(), "wasmtime 48".to_owned()],
            cells: vec![
                cell(Scenario::Hello, Server::WasmHost, crowd(&[12_000.0, 10_000.0, 60_000.0])),
                cell(Scenario::Hello, Server::Wasmtime, crowd(&[2_000.0, 2_500.0, 10_000.0])),
                cell(Scenario::Hello, Server::Workerd, Err("npm could not install it".to_owned())),
                cell(Scenario::Start, Server::WasmHost, Ok(start)),
            ],
        }
    }

    #[test]
    fn ratios_are_those_of_the_rounds() {
        let results = example();
        let hello = |server| (Scenario::Hello, server);
        let ratio = |of, to| results.ratio(Quantity::PerSecond, hello(of), hello(to));
        // 6, 4 and 6: the medians' own would be 4.8.
        assert_eq!(ratio(Server::WasmHost, Server::Wasmtime), Some(6.0));
        assert_eq!(ratio(Server::WasmHost, Server::Workerd), None);
        assert_eq!(ratio(Server::WasmHost, Server::BareHyper), None);
    }

    #[test]
    fn summary_has_the_median_and_the_spread() {
        let results = example();
        let rounds = results.rounds(Scenario::Hello, Server::WasmHost).expect("measured");
        let summary = Summary { median: 12_000.0, least: 10_000.0, most: 60_000.0 };
        assert_eq!(rounds.summary(Quantity::PerSecond), Some(summary));
        assert_eq!(rounds.summary(Quantity::Kib), None);
    }

    #[test]
    fn json_has_every_round_and_null_where_nothing_was_answered() {
        let value: Value = serde_json::from_str(&example().json()).expect("json");
        let hello = &value["results"][0];
        assert_eq!((&hello["scenario"], &hello["server"]), (&json!("hello"), &json!("wasm-host")));
        assert_eq!(hello["requests_per_second"]["median"], 12_000.0);
        assert_eq!(hello["requests_per_second"]["rounds"][2], 60_000.0);
        assert_eq!(hello["p99_ms"]["median"], Value::Null);
        assert_eq!(value["results"][2]["not_measured"], "npm could not install it");
        assert_eq!(value["promises"][0]["kept"], true);
    }
}
