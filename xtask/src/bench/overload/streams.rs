//! Thousands of streams that send an event a second: whether each has its events, what requests beside
//! them wait for it, and what a stream costs in memory.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use serde_json::json;

use super::host::{Holdings, Hosts, Rest, body};
use super::listeners::{Heard, Listeners};
use crate::bench::liveness::WARM_UP_TIME;
use crate::bench::load::load;
use crate::bench::probe::probe;
use crate::bench::process::ServerProcess;
use crate::bench::record::{latency_json, milliseconds};
use crate::bench::scheduler::answers::ask;
use crate::bench::scheduler::section::{Promise, Section, Table, time_or_none};
use crate::bench::statistics::Latency;
use crate::bench::table::number;

/// How long hellos are asked for without streams.
const IDLE_TIME: Duration = Duration::from_secs(5);
/// How long it may take until the last of the streams has its first event.
const FIRST_EVENT_BOUND: Duration = Duration::from_secs(10);
/// Requests beside the streams.
const INSTANCES: usize = 64;
/// Connections beside the streams'.
const OTHER_CONNECTIONS: usize = 500;
/// How long a stream may be without an event: what it asked for, and a little.
const GAP_MS_MAX: f64 = 1250.0;
/// How much longer a hundredth of the hellos may take beside streams.
const ADDED_MS_MAX: f64 = 10.0;
/// What a stream may cost, with the pages and the stack that its guest has touched.
const EACH_KIB_MAX: f64 = 128.0;
/// How long the host may take to tell of a live job.
const JOBS_BOUND: Duration = Duration::from_secs(5);

/// What was measured.
pub(super) struct Round {
    wanted: usize,
    heard: Heard,
    idle: Latency,
    beside: Latency,
    health: Latency,
    /// What a stream costs.
    each_kib: f64,
    /// How large its guest's memory is, whether it is touched or not; none where nobody told.
    guest_kib: Option<f64>,
    before: Rest,
    after: Rest,
}

/// The files that are open at a time, with so many streams.
pub(super) fn files_max(streams: usize) -> u64 {
    (streams + 2 * OTHER_CONNECTIONS) as u64
}

/// Measures each number of streams.
///
/// # Errors
///
/// Where the host does not start or cannot be asked.
pub(super) fn measure(hosts: &Hosts) -> Result<Vec<Round>> {
    hosts.streams.iter().map(|&count| measure_one(hosts, count)).collect()
}

fn measure_one(hosts: &Hosts, wanted: usize) -> Result<Round> {
    let settings = [
        format!("--instances={INSTANCES}"),
        format!("--max-streams={wanted}"),
        format!("--max-connections={}", wanted + OTHER_CONNECTIONS),
        // A stream is a request whose time runs: it is to outlive the measurement.
        "--timeout=600s".to_owned(),
        "--admin=127.0.0.1:0".to_owned(),
    ];
    let server = hosts.start(&settings.each_ref().map(String::as_str), false)?;
    load(server.address(), WARM_UP_TIME)?;
    let idle = probe(server.address(), IDLE_TIME)?.hello.latency();
    let before = Rest::wait(&server, None)?;
    let mut listeners = Listeners::open(server.address(), wanted, FIRST_EVENT_BOUND)?;
    let (heard, beside) = thread::scope(|scope| {
        let hearing = scope.spawn(|| listeners.hear(hosts.duration));
        let beside = probe(server.address(), hosts.duration);
        let heard = hearing.join().map_err(|_| anyhow!("listening panicked"))?;
        Ok::<_, anyhow::Error>((heard?, beside?))
    })?;
    let resident_kib = Holdings::of(server.id())?.resident_kib;
    let guest_kib = guest_kib(&server)?;
    drop(listeners);
    let after = Rest::wait(&server, Some(before.holdings))?;
    let grown_kib = resident_kib.saturating_sub(before.holdings.resident_kib);
    let each_kib = grown_kib as f64 / heard.left.max(1) as f64;
    let (beside, health) = (beside.hello.latency(), beside.health.latency());
    Ok(Round { wanted, heard, idle, beside, health, each_kib, guest_kib, before, after })
}

/// The linear memory of one stream's guest, as the admin side tells it.
fn guest_kib(server: &ServerProcess) -> Result<Option<f64>> {
    let admin = server.address_after("Admin on http://").context("the host has no admin side")?;
    let request = format!("GET /admin/jobs?limit=1 HTTP/1.1\r\nHost: {admin}\r\n\r\n");
    let answer = ask(admin, request.into_bytes(), JOBS_BOUND)?;
    let document = answer.and_then(|answer| body(&answer.response));
    let bytes = document.and_then(|document| document["jobs"][0]["memory_bytes"].as_f64());
    Ok(bytes.map(|bytes| bytes / 1024.0))
}

impl Round {
    fn gap(&self, percent: usize) -> Option<Duration> {
        let rank = (self.heard.gaps.len() * percent).div_ceil(100).max(1);
        self.heard.gaps.get(rank - 1).copied()
    }

    fn added_ms(&self) -> f64 {
        let ms = |latency: &Latency| milliseconds(latency.p99).unwrap_or(f64::INFINITY);
        ms(&self.beside) - ms(&self.idle)
    }
}

/// The results.
pub(super) fn section(rounds: &[Round]) -> Section {
    let mut table = Table::new(&[
        "streams",
        "open",
        "dropped",
        "events",
        "longest gap p50",
        "p99",
        "of all",
        "hello alone p50",
        "p99",
        "beside p50",
        "p99",
        "health beside p99",
        "KiB each",
        "guest's memory",
        "live/streams/queued afterwards",
    ]);
    for round in rounds {
        let figures = [
            number(round.heard.begun as f64),
            number((round.heard.begun - round.heard.left) as f64),
            number(round.heard.events as f64),
            time_or_none(round.gap(50)),
            time_or_none(round.gap(99)),
            time_or_none(round.gap(100)),
            time_or_none(round.idle.p50),
            time_or_none(round.idle.p99),
            time_or_none(round.beside.p50),
            time_or_none(round.beside.p99),
            time_or_none(round.health.p99),
            format!("{:.1}", round.each_kib),
            round.guest_kib.map_or("not told".to_owned(), |kib| format!("{kib:.0} KiB")),
            format!("{} (before: {})", round.after.text(), round.before.text()),
        ];
        table.line(number(round.wanted as f64), figures);
    }
    let all = |holds: &dyn Fn(&Round) -> bool| rounds.iter().all(holds);
    let promises = vec![
        Promise {
            text: "every stream is opened, and none is dropped".to_owned(),
            kept: all(&|round| round.heard.left == round.wanted),
        },
        Promise {
            text: "each has an event every second, and waits for none longer than 1.25 s".to_owned(),
            kept: all(&|round| milliseconds(round.gap(100)).is_some_and(|gap_ms| gap_ms <= GAP_MS_MAX)),
        },
        Promise {
            text: "the hellos' p99 is at most 10 ms longer beside them".to_owned(),
            kept: all(&|round| round.added_ms() <= ADDED_MS_MAX),
        },
        Promise {
            text: "a stream takes less than 128 KiB, with what its guest has touched of its memory"
                .to_owned(),
            kept: all(&|round| round.each_kib < EACH_KIB_MAX),
        },
        Promise {
            text: "afterwards nothing is live or queued, and threads and files are as before".to_owned(),
            kept: all(&|round| round.after.is_as(&round.before)),
        },
    ];
    let json = json!({ "rounds": rounds.iter().map(|round| json!({
        "wanted": round.wanted,
        "open": round.heard.begun,
        "left": round.heard.left,
        "events": round.heard.events,
        "gap_p50_ms": milliseconds(round.gap(50)),
        "gap_p99_ms": milliseconds(round.gap(99)),
        "gap_max_ms": milliseconds(round.gap(100)),
        "hello_alone": latency_json(&round.idle),
        "hello_beside": latency_json(&round.beside),
        "health_beside": latency_json(&round.health),
        "each_kib": round.each_kib,
        "guest_kib": round.guest_kib,
        "before": round.before.text(),
        "after": round.after.text(),
    })).collect::<Vec<_>>() });
    Section { name: "streams", title: "Streams that send an event a second", promises, table, json }
}
