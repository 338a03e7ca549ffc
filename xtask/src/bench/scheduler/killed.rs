//! Killing costs the others nothing: a host full of hellos, without and with two hundred runaways a
//! second that each end by their CPU budget.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::json;

use super::answers::ask;
use super::ready::{READY, live_in};
use super::section::{Promise, Section, Table, time_or_none};
use super::storm::{Fates, PER_SECOND, Storm};
use crate::bench::load::{Loaded, load, load_beside};
use crate::bench::process::{ServerProcess, pause};
use crate::bench::record::{latency_json, rounded};
use crate::bench::statistics::{median_number, median_time};
use crate::bench::table::{NO_ANSWER, number};

/// How much longer a hundredth of the hellos may take beside runaways.
const ADDED_MS_MAX: f64 = 10.0;
/// How long it may take until no instance is live, once all were answered.
const QUIET_BOUND: Duration = Duration::from_secs(5);
/// How often that is asked.
const QUIET_INTERVAL: Duration = Duration::from_millis(20);
/// How long the host may take to tell.
const READY_BOUND: Duration = Duration::from_secs(2);

/// One round.
pub(super) struct Round {
    without: Loaded,
    with: Loaded,
    fates: Fates,
    /// How many instances were live when it was all over; none where the host did not tell.
    live_after: Option<usize>,
}

/// Measures for `alone` without, and for `duration` with runaways.
///
/// # Errors
///
/// Where the server cannot be asked.
pub(super) fn measure(server: &ServerProcess, alone: Duration, duration: Duration) -> Result<Round> {
    let address = server.address();
    let without = load(address, alone)?;
    let (with, storm) = load_beside(address, || Storm::run(address, duration))?;
    let fates = storm.end()?;
    Ok(Round { without, with, fates, live_after: live_when_quiet(address)? })
}

/// How many instances are live when none is left to wait for.
fn live_when_quiet(address: SocketAddr) -> Result<Option<usize>> {
    let give_up_at = Instant::now() + QUIET_BOUND;
    loop {
        let answer = ask(address, READY.to_vec(), READY_BOUND)?;
        let live = answer.and_then(|answer| live_in(&answer.response));
        if live == Some(0) || Instant::now() >= give_up_at {
            return Ok(live);
        }
        pause(QUIET_INTERVAL);
    }
}

impl Round {
    /// By how much the p99 was longer with runaways; endless where hellos had no answer.
    fn added_ms(&self) -> f64 {
        match (self.without.latency.p99, self.with.latency.p99) {
            (Some(without), Some(with)) => (with.as_secs_f64() - without.as_secs_f64()) * 1000.0,
            (_, None) | (None, _) => f64::INFINITY,
        }
    }

    fn others(&self) -> String {
        let others: Vec<_> =
            self.fates.others.iter().map(|(what, count)| format!("{count} × {what}")).collect();
        if others.is_empty() { "0".to_owned() } else { others.join(", ") }
    }
}

fn added(ms: f64) -> String {
    match ms.is_finite() {
        true => format!("{ms:+.2} ms"),
        false => NO_ANSWER.to_owned(),
    }
}

/// Sums up.
pub(super) fn section(rounds: &[Round]) -> Section {
    let columns = [
        "round",
        "hello/s without",
        "with",
        "p50 without",
        "with",
        "p99 without",
        "with",
        "added",
        "hellos failed",
        "runaways",
        "killed",
        "else",
        "live at most",
        "live after",
    ];
    let mut table = Table::new(&columns);
    for (index, round) in rounds.iter().enumerate() {
        let Round { without, with, fates, live_after } = round;
        let figures = [
            number(without.per_second),
            number(with.per_second),
            time_or_none(without.latency.p50),
            time_or_none(with.latency.p50),
            time_or_none(without.latency.p99),
            time_or_none(with.latency.p99),
            added(round.added_ms()),
            number(with.failed as f64),
            number(fates.begun as f64),
            number(fates.killed as f64),
            round.others(),
            number(fates.live_most as f64),
            live_after.map_or_else(|| NO_ANSWER.to_owned(), |live| number(live as f64)),
        ];
        table.round(index, figures);
    }
    let added_ms = median_number(rounds.iter().map(Round::added_ms)).unwrap_or(f64::INFINITY);
    table.median(medians(rounds, added_ms));
    let promises = vec![
        Promise {
            text: "the hellos' p99 is at most 10 ms longer with runaways than without (median)".to_owned(),
            kept: added_ms <= ADDED_MS_MAX,
        },
        Promise {
            text: "every runaway was answered with 504 `cpu_limit`".to_owned(),
            kept: rounds.iter().all(|round| round.fates.killed == round.fates.begun),
        },
        Promise {
            text: "no instance is live afterwards".to_owned(),
            kept: rounds.iter().all(|round| round.live_after == Some(0)),
        },
    ];
    let json = json!({
        "runaways_per_second": PER_SECOND,
        "median": { "added_p99_ms": rounded(added_ms, 1000.0) },
        "rounds": rounds.iter().map(|round| json!({
            "requests_per_second_without": rounded(round.without.per_second, 1.0),
            "requests_per_second_with": rounded(round.with.per_second, 1.0),
            "without": latency_json(&round.without.latency),
            "with": latency_json(&round.with.latency),
            "hellos_failed": round.with.failed,
            "added_p99_ms": rounded(round.added_ms(), 1000.0),
            "runaways": round.fates.begun,
            "killed": round.fates.killed,
            "others": round.fates.others,
            "live_at_most": round.fates.live_most,
            "live_after": round.live_after,
        })).collect::<Vec<_>>(),
    });
    Section {
        name: "killed",
        title: "A host full of hellos, and 200 runaways a second that end by their CPU budget",
        promises,
        table,
        json,
    }
}

fn medians(rounds: &[Round], added_ms: f64) -> Vec<String> {
    let count = |of: fn(&Round) -> f64| median_number(rounds.iter().map(of)).unwrap_or_default();
    let time = |of: fn(&Round) -> Option<Duration>| time_or_none(median_time(rounds.iter().map(of)));
    vec![
        number(count(|round| round.without.per_second)),
        number(count(|round| round.with.per_second)),
        time(|round| round.without.latency.p50),
        time(|round| round.with.latency.p50),
        time(|round| round.without.latency.p99),
        time(|round| round.with.latency.p99),
        added(added_ms),
        number(count(|round| round.with.failed as f64)),
        number(count(|round| round.fates.begun as f64)),
        number(count(|round| round.fates.killed as f64)),
        number(count(|round| round.fates.others_count() as f64)),
        number(count(|round| round.fates.live_most as f64)),
        String::new(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::statistics::Latency;

    fn loaded(p99_ms: Option<u64>) -> Loaded {
        let p99 = p99_ms.map(Duration::from_millis);
        let latency = Latency { p50: p99, p99, failed_share: 0.0, refused_share: 0.0 };
        Loaded { per_second: 1000.0, latency, failed: 0 }
    }

    fn round(p99_ms: [Option<u64>; 2], killed: usize, live_after: Option<usize>) -> Round {
        let [without, with] = p99_ms.map(loaded);
        let fates = Fates { begun: 5, killed, ..Fates::default() };
        Round { without, with, fates, live_after }
    }

    fn verdicts(rounds: &[Round]) -> Vec<bool> {
        section(rounds).promises.iter().map(|promise| promise.kept).collect()
    }

    #[test]
    fn ten_milliseconds_more_are_few_enough() {
        assert_eq!(verdicts(&[round([Some(2), Some(12)], 5, Some(0))]), [true; 3]);
        assert_eq!(verdicts(&[round([Some(2), Some(13)], 4, Some(1))]), [false; 3]);
        assert_eq!(verdicts(&[round([Some(2), None], 5, None)]), [false, true, false]);
    }

    #[test]
    fn one_runaway_that_got_something_else_breaks_the_promise() {
        let good = || round([Some(2), Some(2)], 5, Some(0));
        assert_eq!(verdicts(&[good(), good(), round([Some(2), Some(99)], 4, Some(0))]), [true, false, true]);
    }
}
