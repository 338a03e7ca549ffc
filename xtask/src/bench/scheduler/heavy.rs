//! Heavy requests go on, and cost little: jobs of 50 ms and of 500 ms of CPU time beside as many hellos
//! as the host can answer.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::section::{Promise, Section, Table, time_or_none};
use super::work::{Pace, WORK_BOUND};
use crate::bench::exchange::{Exchange, Progress, wait};
use crate::bench::load::{load, load_beside};
use crate::bench::process::ServerProcess;
use crate::bench::record::{milliseconds, rounded};
use crate::bench::statistics::{median_number, median_time};
use crate::bench::table::{number, percent};

/// What a job of the stream needs.
const SHORT_CPU_TIME: Duration = Duration::from_millis(50);
/// What each of the few jobs beside it needs.
const LONG_CPU_TIME: Duration = Duration::from_millis(500);
/// How many of these there are, one after the other.
const LONG_JOBS: usize = 3;
/// The share of the hellos' throughput that is to be left.
const KEPT_MIN: f64 = 0.8;
/// How long it takes at most until an answer is noticed to be missing.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// One round.
pub(super) struct Round {
    alone_per_second: f64,
    per_second: f64,
    short: Jobs,
    long: Jobs,
}

/// How long the jobs of a kind took; none for one without an answer, after which there are no more.
struct Jobs(Vec<Option<Duration>>);

/// Jobs of a kind, one after the other.
struct Stream {
    request: Vec<u8>,
    going: Option<Exchange>,
    jobs: Jobs,
}

/// Measures, with and without the jobs; without for `duration`.
///
/// # Errors
///
/// Where the server cannot be asked.
pub(super) fn measure(server: &ServerProcess, duration: Duration) -> Result<Round> {
    let address = server.address();
    let pace = Pace::measure(address)?;
    let alone_per_second = load(address, duration)?.per_second;
    let stream = |cpu_time| Stream { request: pace.request(cpu_time), going: None, jobs: Jobs(Vec::new()) };
    let task = || run(address, stream(SHORT_CPU_TIME), stream(LONG_CPU_TIME));
    let (loaded, [short, long]) = load_beside(address, task)?;
    Ok(Round { alone_per_second, per_second: loaded.per_second, short, long })
}

/// Runs both streams until there were enough long jobs.
fn run(address: SocketAddr, mut short: Stream, mut long: Stream) -> Result<[Jobs; 2]> {
    loop {
        let enough = long.jobs.0.len() >= LONG_JOBS || long.jobs.is_broken();
        if !enough {
            long.begin(address);
            short.begin(address);
        }
        let going: Vec<_> = [&short, &long].into_iter().filter_map(|stream| stream.going.as_ref()).collect();
        if enough && going.is_empty() {
            return Ok([short.jobs, long.jobs]);
        }
        wait(going.into_iter(), LOOK_INTERVAL).context("waiting for heavy jobs")?;
        short.advance();
        long.advance();
    }
}

impl Stream {
    /// Begins the next job, unless there is one or the last had no answer.
    fn begin(&mut self, address: SocketAddr) {
        if self.going.is_some() || self.jobs.is_broken() {
            return;
        }
        match Exchange::open(address, self.request.clone()) {
            Ok(exchange) => self.going = Some(exchange),
            Err(_) => self.jobs.0.push(None),
        }
    }

    fn advance(&mut self) {
        let Some(exchange) = &mut self.going else { return };
        let progress = exchange.advance();
        let time = exchange.elapsed();
        match progress {
            Progress::Pending if time <= WORK_BOUND => return,
            Progress::Answered { ok: true, .. } => self.jobs.0.push(Some(time)),
            Progress::Answered { ok: false, .. } | Progress::Failed | Progress::Pending => {
                self.jobs.0.push(None);
            }
        }
        self.going = None;
    }
}

impl Jobs {
    fn is_broken(&self) -> bool {
        self.0.last().is_some_and(Option::is_none)
    }

    fn longest(&self) -> Option<Duration> {
        self.0.iter().copied().max_by_key(|time| time.unwrap_or(Duration::MAX)).flatten()
    }

    fn median(&self) -> Option<Duration> {
        median_time(self.0.iter().copied())
    }

    fn are_within(&self, bound: Duration) -> bool {
        !self.0.is_empty() && self.0.iter().all(|time| time.is_some_and(|time| time <= bound))
    }

    fn json(&self) -> Value {
        json!(self.0.iter().map(|&time| milliseconds(time)).collect::<Vec<_>>())
    }
}

impl Round {
    fn kept(&self) -> f64 {
        match self.alone_per_second > 0.0 {
            true => self.per_second / self.alone_per_second,
            false => 0.0,
        }
    }
}

/// How long a job may take beside hellos.
fn bound(cpu_time: Duration) -> Duration {
    cpu_time * 10 + Duration::from_secs(1)
}

/// Sums up.
pub(super) fn section(rounds: &[Round]) -> Section {
    let columns = [
        "round",
        "hello/s alone",
        "beside jobs",
        "kept",
        "50 ms jobs",
        "median",
        "longest",
        "500 ms jobs",
        "median",
        "longest",
    ];
    let mut table = Table::new(&columns);
    for (index, round) in rounds.iter().enumerate() {
        let jobs = |jobs: &Jobs| {
            [jobs.0.len().to_string(), time_or_none(jobs.median()), time_or_none(jobs.longest())]
        };
        let hellos = [number(round.alone_per_second), number(round.per_second), percent(round.kept())];
        table.round(index, hellos.into_iter().chain(jobs(&round.short)).chain(jobs(&round.long)));
    }
    let kept = median_number(rounds.iter().map(Round::kept)).unwrap_or_default();
    table.median(medians(rounds, kept));
    let within = |of: fn(&Round) -> &Jobs, cpu_time: Duration| Promise {
        text: format!("each job of {} ms ends within {:?}", cpu_time.as_millis(), bound(cpu_time)),
        kept: rounds.iter().all(|round| of(round).are_within(bound(cpu_time))),
    };
    let hellos =
        Promise { text: "hellos keep 80 % of their throughput (median)".to_owned(), kept: kept >= KEPT_MIN };
    Section {
        name: "heavy",
        title: "Jobs of 50 ms and of 500 ms of CPU time beside a host full of hellos",
        promises: vec![
            within(|round| &round.short, SHORT_CPU_TIME),
            within(|round| &round.long, LONG_CPU_TIME),
            hellos,
        ],
        table,
        json: json!({
            "median": { "kept": rounded(kept, 1000.0) },
            "rounds": rounds.iter().map(|round| json!({
                "requests_per_second_alone": rounded(round.alone_per_second, 1.0),
                "requests_per_second": rounded(round.per_second, 1.0),
                "kept": rounded(round.kept(), 1000.0),
                "jobs_50_ms": round.short.json(),
                "jobs_500_ms": round.long.json(),
            })).collect::<Vec<_>>(),
        }),
    }
}

fn medians(rounds: &[Round], kept: f64) -> Vec<String> {
    let rate = |of: fn(&Round) -> f64| number(median_number(rounds.iter().map(of)).unwrap_or_default());
    let time = |of: fn(&Round) -> Option<Duration>| time_or_none(median_time(rounds.iter().map(of)));
    vec![
        rate(|round| round.alone_per_second),
        rate(|round| round.per_second),
        percent(kept),
        rate(|round| round.short.0.len() as f64),
        time(|round| round.short.median()),
        time(|round| round.short.longest()),
        rate(|round| round.long.0.len() as f64),
        time(|round| round.long.median()),
        time(|round| round.long.longest()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jobs(times_ms: &[u64]) -> Jobs {
        Jobs(times_ms.iter().map(|&ms| Some(Duration::from_millis(ms))).collect())
    }

    fn verdicts(round: Round) -> Vec<bool> {
        section(&[round]).promises.iter().map(|promise| promise.kept).collect()
    }

    #[test]
    fn bounds_are_ten_times_the_work_and_a_second() {
        let round =
            Round { alone_per_second: 100.0, per_second: 80.0, short: jobs(&[1500]), long: jobs(&[6000]) };
        assert_eq!(verdicts(round), [true, true, true]);
        let round = Round {
            alone_per_second: 100.0,
            per_second: 79.0,
            short: jobs(&[60, 1501]),
            long: jobs(&[6001, 60]),
        };
        assert_eq!(verdicts(round), [false, false, false]);
    }

    #[test]
    fn job_without_an_answer_is_the_longest() {
        let mut broken = jobs(&[60, 70]);
        assert_eq!(broken.longest(), Some(Duration::from_millis(70)));
        broken.0.push(None);
        assert_eq!((broken.longest(), broken.is_broken()), (None, true));
        assert!(!broken.are_within(WORK_BOUND) && !jobs(&[]).are_within(WORK_BOUND));
    }
}
