//! What is promised about speed, and whether a run found it kept.

use serde_json::{Value, json};

use super::results::{Quantity, Results, Rounds};
use super::scenario::Scenario;
use super::server::Server;
use crate::bench::record::rounded;

/// A promise: of a quantity, for a server in a scenario.
struct Promise {
    quantity: Quantity,
    of: (Scenario, Server),
    /// Compared with this one, or with nothing.
    to: Option<(Scenario, Server)>,
    required: Required,
}

/// What the ratio, or the figure itself where there is none, has to be.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Required {
    AtLeast(f64),
    AtMost(f64),
    Below(f64),
}

/// What became of a promise.
pub(super) struct Verdict {
    pub(super) what: String,
    /// None where one of the two was not measured.
    pub(super) measured: Option<f64>,
    pub(super) required: String,
    /// None where that cannot be told.
    pub(super) kept: Option<bool>,
    /// What stands behind the figures.
    pub(super) unit: &'static str,
}

/// What an idle host may have resident.
const IDLE_KIB_MAX: f64 = 20.0 * 1024.0;

/// All of them.
#[rustfmt::skip]
const PROMISES: [Promise; 23] = {
    use Quantity::{Kib, P50Ms, P99Ms, PerSecond, StartMs};
    use Required::{AtLeast, AtMost, Below};
    use Scenario as S;
    use Server as V;
    [
        // A fresh instance for every request.
        ratio(PerSecond, (S::Hello, V::WasmHost), (S::Hello, V::Wasmtime), AtLeast(5.0)),
        ratio(PerSecond, (S::Hello, V::WasmHost), (S::Hello, V::WasmtimeTuned), AtLeast(3.0)),
        ratio(PerSecond, (S::Hello, V::WasmHost), (S::Hello, V::WasmtimeReuse), AtLeast(0.75)),
        ratio(PerSecond, (S::Hello, V::WasmHost), (S::Hello, V::Workerd), AtLeast(2.0)),
        ratio(PerSecond, (S::Hello, V::WasmHost), (S::Hello, V::Fastapi), AtLeast(4.0)),
        ratio(PerSecond, (S::HelloJs, V::WasmHost), (S::HelloJs, V::Wasmtime), AtLeast(3.0)),
        ratio(PerSecond, (S::HelloPy, V::WasmHost), (S::HelloPy, V::Wasmtime), AtLeast(3.0)),
        // Instances that are used again.
        ratio(PerSecond, (S::Hello, V::WasmHostReuse), (S::Hello, V::WasmtimeReuse), AtLeast(1.3)),
        ratio(PerSecond, (S::Hello3, V::WasmHostReuse), (S::Hello3, V::WasmtimeReuse), AtLeast(1.3)),
        ratio(PerSecond, (S::Hello, V::WasmHostReuse), (S::Hello, V::BareHyper), AtLeast(0.45)),
        ratio(PerSecond, (S::Hello3, V::WasmHostReuse), (S::Hello, V::BareHyper), AtLeast(0.45)),
        // Guests that compute.
        ratio(PerSecond, (S::Hash, V::WasmHost), (S::Hash, V::Wasmtime), AtLeast(0.95)),
        ratio(PerSecond, (S::Sort, V::WasmHost), (S::Sort, V::Wasmtime), AtLeast(0.95)),
        ratio(PerSecond, (S::Json, V::WasmHost), (S::Json, V::Wasmtime), AtLeast(0.95)),
        ratio(PerSecond, (S::Resize, V::WasmHost), (S::Resize, V::Wasmtime), AtLeast(0.95)),
        // One request on an idle host.
        ratio(P50Ms, (S::IdleWarm, V::WasmHost), (S::IdleWarm, V::Wasmtime), AtMost(1.1)),
        ratio(P99Ms, (S::IdleWarm, V::WasmHost), (S::IdleWarm, V::Wasmtime), AtMost(1.0)),
        ratio(P50Ms, (S::IdleCold, V::WasmHost), (S::IdleCold, V::Wasmtime), AtMost(1.1)),
        ratio(P99Ms, (S::IdleCold, V::WasmHost), (S::IdleCold, V::Wasmtime), AtMost(1.0)),
        // A crowd takes nothing away.
        ratio(PerSecond, (S::Hello256, V::WasmHost), (S::Hello, V::WasmHost), AtLeast(0.95)),
        // What needs no comparison.
        figure(StartMs, (S::Start, V::WasmHost), Below(50.0)),
        figure(StartMs, (S::StartJs, V::WasmHost), Below(150.0)),
        figure(Kib, (S::MemoryIdle, V::WasmHost), Below(IDLE_KIB_MAX)),
    ]
};

const fn ratio(
    quantity: Quantity,
    of: (Scenario, Server),
    to: (Scenario, Server),
    required: Required,
) -> Promise {
    Promise { quantity, of, to: Some(to), required }
}

const fn figure(quantity: Quantity, of: (Scenario, Server), required: Required) -> Promise {
    Promise { quantity, of, to: None, required }
}

/// What became of each promise, in the order in which they are made.
pub(super) fn verdicts(results: &Results) -> Vec<Verdict> {
    PROMISES.iter().map(|promise| promise.verdict(results)).collect()
}

impl Promise {
    fn verdict(&self, results: &Results) -> Verdict {
        let rounds = results.rounds(self.of.0, self.of.1);
        let failed = rounds.map_or(0.0, Rounds::failed);
        let measured = match self.to {
            Some(to) => results.ratio(self.quantity, self.of, to),
            None => rounds.and_then(|rounds| Some(rounds.summary(self.quantity)?.median)),
        };
        // Unanswered on both sides is no ratio at all.
        let measured = measured.filter(|measured| !measured.is_nan());
        let (unit, part) = match (self.to, self.quantity) {
            (Some(_), _) => ("×", 1.0),
            (None, Quantity::Kib) => (" MiB", 1024.0),
            (None, Quantity::PerSecond) => (" requests/s", 1.0),
            (None, Quantity::P50Ms | Quantity::P99Ms | Quantity::StartMs) => (" ms", 1.0),
            (None, Quantity::Failed | Quantity::ClientPercent) => ("", 1.0),
        };
        let bound = |word: &str, bound: f64| format!("{word} {}{unit}", bound / part);
        Verdict {
            what: self.what(),
            measured: measured.map(|measured| measured / part),
            required: match self.required {
                Required::AtLeast(least) => bound("≥", least),
                Required::AtMost(most) => bound("≤", most),
                Required::Below(limit) => bound("<", limit),
            },
            // Answers that leave others without one are none to be proud of.
            kept: measured.map(|measured| failed == 0.0 && self.required.is_met_by(measured)),
            unit,
        }
    }

    fn what(&self) -> String {
        let (scenario, server) = self.of;
        let quantity = match self.quantity {
            Quantity::P50Ms => ", p50",
            Quantity::P99Ms => ", p99",
            Quantity::PerSecond
            | Quantity::StartMs
            | Quantity::Kib
            | Quantity::Failed
            | Quantity::ClientPercent => "",
        };
        let beside = match self.to {
            None => String::new(),
            Some((other, beside)) if other == scenario => format!(" beside {}", beside.name()),
            Some((other, beside)) => format!(" beside {}, {}", beside.name(), other.title()),
        };
        format!("{}{quantity}: {}{beside}", scenario.title(), server.name())
    }
}

impl Required {
    fn is_met_by(self, measured: f64) -> bool {
        match self {
            Self::AtLeast(least) => measured >= least,
            Self::AtMost(most) => measured <= most,
            Self::Below(limit) => measured < limit,
        }
    }
}

impl Verdict {
    /// In one or two words.
    pub(super) fn word(&self) -> &'static str {
        match self.kept {
            Some(true) => "kept",
            Some(false) => "**not kept**",
            None => "not measured",
        }
    }

    /// The figure as it is shown.
    pub(super) fn shown(&self) -> String {
        match self.measured {
            Some(measured) => format!("{measured:.2}{}", self.unit),
            None => "–".to_owned(),
        }
    }

    /// The same for programs.
    pub(super) fn json(&self) -> Value {
        json!({
            "promise": self.what,
            "measured": self.measured.map(|measured| rounded(measured, 1000.0)),
            "required": self.required,
            "kept": self.kept,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::results::Figure;
    use super::super::results::tests::example;
    use super::*;

    #[test]
    fn promise_is_kept_up_to_its_bound() {
        let both = |required: Required| [0.99, 1.0, 1.01].map(|measured| required.is_met_by(measured));
        assert_eq!(both(Required::AtLeast(1.0)), [false, true, true]);
        assert_eq!(both(Required::AtMost(1.0)), [true, true, false]);
        assert_eq!(both(Required::Below(1.0)), [true, false, false]);
    }

    #[test]
    fn promise_is_not_kept_where_requests_fail() {
        let mut results = example();
        let rounds = results.cells[0].outcome.as_mut().expect("measured");
        rounds.push(&[Figure { quantity: Quantity::Failed, value: 1.0 }]);
        let first = &verdicts(&results)[0];
        assert_eq!((first.shown().as_str(), first.kept), ("6.00×", Some(false)));
    }

    #[test]
    fn verdicts_say_what_was_measured() {
        let verdicts = verdicts(&example());
        let lines: Vec<_> = verdicts
            .iter()
            .map(|verdict| [&verdict.what, &verdict.shown(), &verdict.required, verdict.word()].join(" | "))
            .collect();
        let found = |line: &str| assert!(lines.iter().any(|other| other == line), "{line} in {lines:#?}");
        found("hello in Rust: wasm-host beside wasmtime serve | 6.00× | ≥ 5× | kept");
        found("hello in Rust: wasm-host beside workerd | – | ≥ 2× | not measured");
        found("start to the first hello, compiled before: wasm-host | 30.00 ms | < 50 ms | kept");
        found("memory of an idle server: wasm-host | – | < 20 MiB | not measured");
    }

    #[test]
    fn who_is_promised_about_takes_part() {
        for promise in &PROMISES {
            for (scenario, server) in [Some(promise.of), promise.to].into_iter().flatten() {
                assert!(scenario.servers().contains(&server), "{}", promise.what());
            }
        }
    }
}
