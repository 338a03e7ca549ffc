//! Equal requests end together: ten that each need a second, at once, on a host that has nothing else
//! to do.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use super::answers::{ask, ask_at_once};
use super::section::{Promise, Section, Table, time_or_none};
use super::work::{Pace, WORK_BOUND};
use crate::bench::process::ServerProcess;
use crate::bench::record::{milliseconds, rounded};
use crate::bench::statistics::{median_number, median_time};
use crate::bench::table::percent;

/// How many there are.
const JOBS: usize = 10;
/// What each needs.
const CPU_TIME: Duration = Duration::from_secs(1);
/// How far apart the first and the last may end, as a share of the time of the last.
const SPREAD_MAX: f64 = 0.2;

/// One round.
pub(super) struct Round {
    /// How long one took that had the host for itself.
    alone: Option<Duration>,
    /// How long each took, in ascending order; those without an answer are missing.
    times: Vec<Duration>,
}

/// Measures a server that does nothing else.
///
/// # Errors
///
/// Where it cannot be asked.
pub(super) fn measure(server: &ServerProcess) -> Result<Round> {
    let address = server.address();
    let pace = Pace::measure(address)?;
    let alone = ask(address, pace.request(CPU_TIME), WORK_BOUND)?.map(|answer| answer.time);
    let answers = ask_at_once(address, vec![pace.request(CPU_TIME); JOBS], WORK_BOUND)?;
    let mut times: Vec<_> = answers.into_iter().flatten().map(|answer| answer.time).collect();
    times.sort_unstable();
    Ok(Round { alone, times })
}

impl Round {
    fn first(&self) -> Option<Duration> {
        self.times.first().copied()
    }

    /// When all had ended; none where some did not.
    fn last(&self) -> Option<Duration> {
        self.times.get(JOBS - 1).copied()
    }

    /// How far apart the first and the last ended; all of the time where some did not.
    fn spread(&self) -> f64 {
        match (self.first(), self.last()) {
            (Some(first), Some(last)) => (last - first).as_secs_f64() / last.as_secs_f64(),
            (_, None) | (None, _) => 1.0,
        }
    }
}

/// Sums up.
pub(super) fn section(rounds: &[Round]) -> Section {
    let mut table = Table::new(&["round", "one alone", "first of ten", "last of ten", "spread"]);
    for (index, round) in rounds.iter().enumerate() {
        let times = [round.alone, round.first(), round.last()].map(time_or_none);
        table.round(index, times.into_iter().chain([percent(round.spread())]));
    }
    let spread = median_number(rounds.iter().map(Round::spread)).unwrap_or(1.0);
    let medians = [Round::first, Round::last].map(|of| median_time(rounds.iter().map(of)));
    let [first, last] = medians;
    let alone = median_time(rounds.iter().map(|round| round.alone));
    table.median([alone, first, last].map(time_or_none).into_iter().chain([percent(spread)]));
    Section {
        name: "equal",
        title: "Ten equal requests at once, each of 1 s of CPU time",
        promises: vec![Promise {
            text: "the first ends at most 20 % earlier than the last (median)".to_owned(),
            kept: spread <= SPREAD_MAX,
        }],
        table,
        json: json!({
            "median": { "spread": rounded(spread, 1000.0) },
            "rounds": rounds.iter().map(|round| json!({
                "alone_ms": milliseconds(round.alone),
                "times_ms": round.times.iter().map(|&time| milliseconds(Some(time))).collect::<Vec<_>>(),
                "spread": rounded(round.spread(), 1000.0),
            })).collect::<Vec<_>>(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(times_ms: impl IntoIterator<Item = u64>) -> Round {
        let times = times_ms.into_iter().map(Duration::from_millis).collect();
        Round { alone: Some(CPU_TIME), times }
    }

    #[test]
    fn a_fifth_of_the_last_ones_time_is_close_enough() {
        let within = section(&[round((0..10).map(|job| 4000 + job * 1000 / 9))]);
        assert!(within.promises[0].kept);
        let beyond = section(&[round((0..10).map(|job| 3990 + job * 1010 / 9))]);
        assert!(!beyond.promises[0].kept);
    }

    #[test]
    fn a_request_without_an_answer_is_as_bad_as_can_be() {
        let one_missing = round([5000; JOBS - 1]);
        assert_eq!((one_missing.last(), one_missing.spread()), (None, 1.0));
        assert_eq!(round([]).spread(), 1.0);
    }
}
