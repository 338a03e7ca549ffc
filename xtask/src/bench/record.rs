//! What a run has found: the medians of its rounds, and all of it as JSON.

use std::time::Duration;

use serde_json::{Value, json};

use super::machine::Machine;
use super::server::Server;
use super::statistics::{Latency, median_number, median_time};

/// All that a run has found, and under which conditions.
pub(super) struct Record {
    pub(super) machine: Machine,
    pub(super) rounds: usize,
    /// How long light requests were sent, and then the load, in every round.
    pub(super) seconds: u64,
    /// How long the runaways had been running before that. A scheduler that learns who they are does
    /// better the longer it is.
    pub(super) settle_seconds: u64,
    /// Whether the server had a core of its own, and only that one.
    pub(super) one_core: bool,
    /// In the order of [`Server::ALL`].
    pub(super) findings: Vec<Finding>,
}

/// What was found of one server.
pub(super) struct Finding {
    pub(super) server: Server,
    /// Or why there is nothing, in a few words.
    pub(super) outcome: Result<Measured, String>,
}

/// A server that was measured.
pub(super) struct Measured {
    /// Its name and version, as it tells them.
    pub(super) version: String,
    /// One for every number of runaways, in ascending order, beginning with none.
    pub(super) cells: Vec<Cell>,
}

/// One round with one server and one number of runaways.
#[derive(Clone, Copy)]
pub(super) struct Measurement {
    /// Runaways that the server had when it was measured, and still had afterwards.
    pub(super) in_flight: [usize; 2],
    /// How long a single hello took that was waited for patiently: none is the sign of a dead server.
    pub(super) first: Option<Duration>,
    pub(super) hello: Latency,
    pub(super) health: Latency,
    /// Hellos under load, on the same server before there were runaways and then beside them: on a
    /// machine that others use, what is measured minutes apart cannot be compared.
    pub(super) alone_per_second: f64,
    pub(super) per_second: f64,
}

impl Measurement {
    /// The throughput beside runaways as a share of that without; none where that was nothing.
    fn kept(&self) -> Option<f64> {
        (self.alone_per_second > 0.0).then(|| self.per_second / self.alone_per_second)
    }
}

/// The medians of all rounds with one server and one number of runaways.
pub(super) struct Cell {
    /// How many were opened.
    pub(super) runaways: usize,
    pub(super) median: Measurement,
    /// The median of the share that each round kept; none where there was nothing to keep.
    pub(super) kept: Option<f64>,
}

impl Measured {
    /// Sums up the rounds of every number of runaways.
    pub(super) fn of(version: String, rounds: &[(usize, Vec<Measurement>)]) -> Self {
        let mut cells = Vec::with_capacity(rounds.len());
        for (runaways, measurements) in rounds {
            let Some(median) = medians(measurements) else { continue };
            let kept = median_number(measurements.iter().filter_map(Measurement::kept));
            cells.push(Cell { runaways: *runaways, median, kept });
        }
        Self { version, cells }
    }
}

fn medians(rounds: &[Measurement]) -> Option<Measurement> {
    let number = |of: fn(&Measurement) -> f64| median_number(rounds.iter().map(of));
    let latency = |of: fn(&Measurement) -> Latency| {
        Some(Latency {
            p50: median_time(rounds.iter().map(|round| of(round).p50)),
            p99: median_time(rounds.iter().map(|round| of(round).p99)),
            failed_share: median_number(rounds.iter().map(|round| of(round).failed_share))?,
            refused_share: median_number(rounds.iter().map(|round| of(round).refused_share))?,
        })
    };
    Some(Measurement {
        in_flight: [number(|round| round.in_flight[0] as f64)?, number(|round| round.in_flight[1] as f64)?]
            .map(|count| count as usize),
        first: median_time(rounds.iter().map(|round| round.first)),
        hello: latency(|round| round.hello)?,
        health: latency(|round| round.health)?,
        alone_per_second: number(|round| round.alone_per_second)?,
        per_second: number(|round| round.per_second)?,
    })
}

impl Record {
    /// Everything, for programs. Times that are `null` are those of requests that were not answered.
    pub(super) fn json(&self) -> String {
        let value = json!({
            "date": self.machine.date,
            "machine": machine_json(&self.machine),
            "rounds": self.rounds,
            "seconds": self.seconds,
            "settle_seconds": self.settle_seconds,
            "one_core": self.one_core,
            "servers": self.findings.iter().map(Finding::json).collect::<Vec<_>>(),
        });
        format!("{value:#}\n")
    }
}

impl Finding {
    fn json(&self) -> Value {
        let name = self.server.name();
        match &self.outcome {
            Err(reason) => json!({ "name": name, "not_measured": reason }),
            Ok(Measured { version, cells }) => json!({
                "name": name,
                "version": version,
                "results": cells.iter().map(Cell::json).collect::<Vec<_>>(),
            }),
        }
    }
}

impl Cell {
    fn json(&self) -> Value {
        let Measurement { in_flight: [before, after], first, hello, health, alone_per_second, per_second } =
            &self.median;
        json!({
            "runaways": self.runaways,
            "runaways_in_flight": { "before": before, "after": after },
            "first_hello_ms": milliseconds(*first),
            "hello": latency_json(hello),
            "health": latency_json(health),
            "requests_per_second_alone": rounded(*alone_per_second, 1.0),
            "requests_per_second": rounded(*per_second, 1.0),
            "kept": self.kept.map(|kept| rounded(kept, 1000.0)),
        })
    }
}

/// The machine, but for the day.
pub(super) fn machine_json(machine: &Machine) -> Value {
    let Machine { date: _, cpu, cores, kernel, load } = machine;
    json!({ "cpu": cpu, "cores": cores, "kernel": kernel, "load_before": load })
}

/// Percentiles for programs.
pub(super) fn latency_json(latency: &Latency) -> Value {
    json!({
        "p50_ms": milliseconds(latency.p50),
        "p99_ms": milliseconds(latency.p99),
        "failed_share": rounded(latency.failed_share, 10_000.0),
        "refused_share": rounded(latency.refused_share, 10_000.0),
    })
}

/// A time as a number for programs.
pub(super) fn milliseconds(time: Option<Duration>) -> Option<f64> {
    time.map(|time| rounded(time.as_secs_f64() * 1000.0, 1000.0))
}

/// Rounds to a part of one, so that figures are not longer than they are true.
pub(super) fn rounded(number: f64, parts: f64) -> f64 {
    (number * parts).round() / parts
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn measurement([alone_per_second, per_second]: [f64; 2], p99_ms: Option<u64>) -> Measurement {
        let failed_share = if p99_ms.is_none() { 1.0 } else { 0.0 };
        let time = p99_ms.map(Duration::from_millis);
        let latency = Latency { p50: time, p99: time, failed_share, refused_share: 0.0 };
        Measurement {
            in_flight: [8, 8],
            first: time,
            hello: latency,
            health: latency,
            alone_per_second,
            per_second,
        }
    }

    /// A host that keeps going, a peer that does not, and one that could not be had.
    pub(in super::super) fn example() -> Record {
        let alone = |rate| (0, vec![Measurement { in_flight: [0, 0], ..measurement([rate, rate], Some(1)) }]);
        let host = [alone(20_000.0), (8, vec![measurement([20_000.0, 19_000.0], Some(2))])];
        let peer = [alone(8_000.0), (8, vec![measurement([8_000.0, 0.0], None)])];
        let measured = |version: &str, rounds: &[_]| Ok(Measured::of(version.to_owned(), rounds));
        Record {
            machine: Machine::example(),
            rounds: 1,
            seconds: 2,
            settle_seconds: 1,
            one_core: false,
            findings: vec![
                Finding { server: Server::WasmHost, outcome: measured("wasm-host 1", &host) },
                Finding { server: Server::Wasmtime, outcome: measured("wasmtime 48", &peer) },
                Finding { server: Server::Workerd, outcome: Err("npm could not install it".to_owned()) },
            ],
        }
    }

    #[test]
    fn rounds_are_summed_up_by_their_medians() {
        let rounds = |figures: [([f64; 2], Option<u64>); 3]| {
            figures.map(|(rates, p99)| measurement(rates, p99)).to_vec()
        };
        let alone = [([900.0; 2], Some(1)), ([1000.0; 2], Some(2)), ([5000.0; 2], Some(9))];
        let beside = [([1000.0, 500.0], None), ([400.0, 100.0], Some(50)), ([700.0, 700.0], None)];
        let measured = Measured::of("x 1".to_owned(), &[(0, rounds(alone)), (8, rounds(beside))]);
        let [alone, beside] = &measured.cells[..] else { panic!("two cells") };
        assert_eq!((alone.median.per_second, alone.kept), (1000.0, Some(1.0)));
        assert_eq!(alone.median.hello.p99, Some(Duration::from_millis(2)));
        // Each round kept its own share: 0.5, 0.25 and 1.
        assert_eq!((beside.median.per_second, beside.kept), (500.0, Some(0.5)));
        assert_eq!(beside.median.hello.p99, None, "most rounds had no answer");
    }

    #[test]
    fn json_has_null_where_nothing_was_answered() {
        let value: Value = serde_json::from_str(&example().json()).expect("json");
        assert_eq!(value["servers"][0]["results"][1]["kept"], 0.95);
        assert_eq!(value["servers"][0]["results"][1]["hello"]["p99_ms"], 2.0);
        assert_eq!(value["servers"][1]["results"][1]["hello"]["p99_ms"], Value::Null);
        assert_eq!(value["servers"][2]["not_measured"], "npm could not install it");
    }
}
