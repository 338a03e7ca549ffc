//! Clients that are slow on purpose, by `slowhttptest`: in sending a head, in sending a body and in reading
//! an answer. What they hold, how long they can, and whether others notice.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use serde_json::json;

use super::host::{Holdings, Hosts, Rest};
use crate::bench::liveness::WARM_UP_TIME;
use crate::bench::load::load;
use crate::bench::probe::probe;
use crate::bench::process::pause;
use crate::bench::record::latency_json;
use crate::bench::scheduler::section::{Promise, Section, Table, time_or_none};
use crate::bench::statistics::Latency;
use crate::bench::table::{number, percent};

/// How many slow clients there are.
const CLIENTS: usize = 1000;
/// How many of them come in a second.
const CLIENTS_PER_SECOND: usize = 500;
/// How long the host waits for one of them.
const PATIENCE_S: u64 = 3;
/// What it may take longer until the last of them is gone: the looks of timers, a busy machine.
const LATE: Duration = Duration::from_secs(2);
/// How long they would stay.
const ATTACK_S: u64 = 12;
/// The longest that they are watched.
const WATCH_TIME: Duration = Duration::from_secs(ATTACK_S + 1);
/// The time between two looks at what the host holds.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// Files that the others take, at most: a hello and a question after the host's health every 10 ms.
const OTHER_FILES_MAX: usize = 60;

/// A way to be slow: what it is called, the host's instances, its flags, and what it asks for. A body is read
/// by an instance, so as many slow bodies as there are instances is where others have to wait.
const WAYS: [(&str, &str, &[&str], &str); 4] = [
    ("sends its head slowly", "1000", &["-H", "-i", "10"], "/hello"),
    ("sends its body slowly (2,000 instances)", "2000", &["-B", "-i", "10", "-s", "8192"], "/read"),
    (FULL, "1000", &["-B", "-i", "10", "-s", "8192"], "/read"),
    (
        "reads its answer slowly",
        "1000",
        &["-X", "-w", "512", "-y", "1024", "-n", "5", "-z", "32"],
        "/endless",
    ),
];
/// The one that takes every instance there is.
const FULL: &str = "sends its body slowly (1,000 instances)";

/// What was measured, or why it was not.
pub(super) struct Round {
    way: &'static str,
    result: Result<Figures, String>,
}

struct Figures {
    /// The most files that were open, beyond those before: nearly all of them slow clients.
    held_max: usize,
    /// When the last of the slow clients was gone, counted from the first; none where they stayed.
    gone_after: Option<Duration>,
    hello: Latency,
    health: Latency,
    before: Rest,
    after: Rest,
}

/// The program that is slow, for as long as this lives.
struct Attack(Child);

/// Measures every way.
///
/// # Errors
///
/// Where the host does not start or cannot be asked. A `slowhttptest` that is missing is no error.
pub(super) fn measure(hosts: &Hosts) -> Result<Vec<Round>> {
    WAYS.into_iter()
        .map(|(way, instances, flags, path)| {
            Ok(Round { way, result: measure_one(hosts, instances, flags, path)? })
        })
        .collect()
}

fn measure_one(
    hosts: &Hosts,
    instances: &str,
    flags: &[&str],
    path: &str,
) -> Result<Result<Figures, String>> {
    let patience = format!("{PATIENCE_S}s");
    let settings = [
        ["--header-timeout", &patience],
        ["--body-timeout", &patience],
        ["--write-timeout", &patience],
        ["--instances", instances],
    ];
    let server = hosts.start(settings.as_flattened(), false)?;
    load(server.address(), WARM_UP_TIME)?;
    let before = Rest::wait(&server, None)?;
    let Some(attack) = Attack::begin(hosts, server.address(), flags, path)? else {
        return Ok(Err("slowhttptest is not installed".to_owned()));
    };
    let (watched, probed) = thread::scope(|scope| {
        let watching = scope.spawn(|| watch(server.id(), before.holdings.files));
        let probed = probe(server.address(), WATCH_TIME);
        let watched = watching.join().map_err(|_| anyhow!("watching panicked"))?;
        Ok::<_, anyhow::Error>((watched?, probed?))
    })?;
    drop(attack);
    let after = Rest::wait(&server, Some(before.holdings))?;
    let (held_max, gone_after) = watched;
    let (hello, health) = (probed.hello.latency(), probed.health.latency());
    Ok(Ok(Figures { held_max, gone_after, hello, health, before, after }))
}

/// The most files that a host opens beyond `before`, and when they are gone.
fn watch(id: u32, before: usize) -> Result<(usize, Option<Duration>)> {
    let begun_at = Instant::now();
    let mut held_max = 0;
    let mut held_at = Duration::ZERO;
    while begun_at.elapsed() < WATCH_TIME {
        let held = Holdings::of(id)?.files.saturating_sub(before);
        held_max = held_max.max(held);
        if held > OTHER_FILES_MAX {
            held_at = begun_at.elapsed();
        }
        pause(LOOK_INTERVAL);
    }
    Ok((held_max, Some(held_at).filter(|&at| at + Duration::from_secs(1) < WATCH_TIME)))
}

impl Attack {
    /// Starts it; none where there is no such program.
    fn begin(hosts: &Hosts, address: SocketAddr, flags: &[&str], path: &str) -> Result<Option<Self>> {
        let mut command = Command::new("slowhttptest");
        command
            .args(flags)
            .args(["-c", &CLIENTS.to_string(), "-r", &CLIENTS_PER_SECOND.to_string()])
            .args(["-l", &ATTACK_S.to_string(), "-p", "2", "-u", &format!("http://{address}{path}")])
            .current_dir(&hosts.directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        match command.spawn() {
            Ok(child) => Ok(Some(Self(child))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).context("starting slowhttptest"),
        }
    }
}

impl Drop for Attack {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Figures {
    /// Whether the slow ones were there, and were gone in time.
    fn is_in_time(&self) -> bool {
        let arrival = Duration::from_secs((CLIENTS / CLIENTS_PER_SECOND) as u64);
        let bound = arrival + Duration::from_secs(PATIENCE_S) + LATE;
        self.held_max >= CLIENTS / 2 && self.gone_after.is_some_and(|gone_after| gone_after <= bound)
    }
}

/// The results.
pub(super) fn section(rounds: &[Round]) -> Section {
    let mut table = Table::new(&[
        "a client that",
        "held at most",
        "all gone after",
        "hello p50",
        "p99",
        "failed",
        "health p99",
        "failed",
        "live/streams/queued afterwards",
    ]);
    for Round { way, result } in rounds {
        let figures = match result {
            Ok(figures) => [
                number(figures.held_max as f64),
                figures.gone_after.map_or("not".to_owned(), |time| format!("{:.1} s", time.as_secs_f64())),
                time_or_none(figures.hello.p50),
                time_or_none(figures.hello.p99),
                percent(figures.hello.failed_share),
                time_or_none(figures.health.p99),
                percent(figures.health.failed_share),
                format!("{} (before: {})", figures.after.text(), figures.before.text()),
            ],
            Err(why) => ["not measured", why, "", "", "", "", "", ""].map(str::to_owned),
        };
        table.line((*way).to_owned(), figures);
    }
    let measured = || rounds.iter().filter_map(|round| round.result.as_ref().ok());
    let all = |holds: &dyn Fn(&Figures) -> bool| measured().count() > 0 && measured().all(holds);
    let promises = vec![
        Promise {
            text: "every other request is answered meanwhile, where the slow ones do not take every instance"
                .to_owned(),
            kept: rounds
                .iter()
                .filter(|round| round.way != FULL)
                .all(|round| round.result.as_ref().is_ok_and(|figures| figures.hello.failed_share == 0.0)),
        },
        Promise {
            text: "`/health` is answered in any case".to_owned(),
            kept: all(&|figures| figures.health.failed_share == 0.0),
        },
        Promise {
            text: format!(
                "a thousand slow clients, {CLIENTS_PER_SECOND} a second, are gone {PATIENCE_S} s after the last \
                 came (and 2 s for a busy machine)"
            ),
            kept: all(&Figures::is_in_time),
        },
        Promise {
            text: "afterwards nothing is live or queued, and threads and files are as before".to_owned(),
            kept: all(&|figures| figures.after.is_as(&figures.before)),
        },
    ];
    let json = json!({ "rounds": rounds.iter().map(|Round { way, result }| match result {
        Ok(figures) => json!({
            "way": way,
            "held_max": figures.held_max,
            "gone_after_s": figures.gone_after.map(|time| time.as_secs_f64()),
            "hello": latency_json(&figures.hello),
            "health": latency_json(&figures.health),
            "before": figures.before.text(),
            "after": figures.after.text(),
        }),
        Err(why) => json!({ "way": way, "not_measured": why }),
    }).collect::<Vec<_>>() });
    let title = "A thousand slow clients, for whom the host waits 3 s";
    Section { name: "slow", title, promises, table, json }
}
