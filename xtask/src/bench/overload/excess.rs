//! Ten times what the host can do: what it still gets done, how long that takes, and how soon the others
//! are told. Once where instances are what is scarce, and once where a core is.

use std::borrow::Cow;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use super::flood::{Fates, Flood};
use super::host::{Hosts, Rest};
use crate::bench::liveness::WARM_UP_TIME;
use crate::bench::load::{Loaded, load, load_with};
use crate::bench::machine::{pin_client, release_client};
use crate::bench::process::ServerProcess;
use crate::bench::record::{latency_json, rounded};
use crate::bench::scheduler::section::{Promise, Section, Table, time_or_none};
use crate::bench::scheduler::work::Pace;
use crate::bench::statistics::{Latency, Samples};
use crate::bench::table::{number, percent};

/// How much more is asked for than can be done.
const EXCESS: f64 = 10.0;
/// How long it is measured what can be done.
const CAPACITY_TIME: Duration = Duration::from_secs(5);
/// What a request sleeps.
const SLEEP: &[u8] = b"GET /sleep?ms=10 HTTP/1.1\r\nHost: localhost\r\n\r\n";
/// The CPU time of a request where that is what is scarce.
const WORK_TIME: Duration = Duration::from_millis(10);
/// What the host is started with: so few at once that the queue is where requests wait.
const SETTINGS: [&str; 3] = ["--queue=1024", "--queue-timeout=1s", "--instances=8"];
/// The same where a core is what is scarce: each is as many times longer as there are at once.
const CORE_SETTINGS: [&str; 3] = ["--queue=1024", "--queue-timeout=1s", "--instances=4"];
/// How long one that is let in may take at most: the wait in the queue, and a little.
const ANSWERED_MS_MAX: f64 = 1100.0;
/// What has to be left of what could be done.
const KEPT_SHARE_MIN: f64 = 0.9;
/// How soon half of the refused are told.
const REFUSED_MS_MAX: f64 = 10.0;

/// What is scarce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scarce {
    Instances,
    Core,
}

/// What was measured.
pub(super) struct Round {
    scarce: Scarce,
    duration: Duration,
    capacity: Loaded,
    begun: usize,
    answered_count: usize,
    answered: Latency,
    refused_count: usize,
    refused: Latency,
    others: String,
    others_count: usize,
    before: Rest,
    after: Rest,
}

/// Measures both.
///
/// # Errors
///
/// Where the host does not start or cannot be asked, or there is no second core.
pub(super) fn measure(hosts: &Hosts) -> Result<Vec<Round>> {
    let instances = {
        let server = hosts.start(&SETTINGS, false)?;
        load(server.address(), WARM_UP_TIME)?;
        measure_one(&server, Scarce::Instances, Cow::Borrowed(SLEEP), hosts.duration)?
    };
    // A client on the same core would take from the host what is measured.
    pin_client()?;
    let core = hosts.start(&CORE_SETTINGS, true).and_then(|server| {
        load(server.address(), WARM_UP_TIME)?;
        let request = Pace::measure(server.address())?.request(WORK_TIME);
        measure_one(&server, Scarce::Core, Cow::Owned(request), hosts.duration)
    });
    release_client(hosts.cores)?;
    Ok(vec![instances, core?])
}

fn measure_one(
    server: &ServerProcess,
    scarce: Scarce,
    request: Cow<'static, [u8]>,
    duration: Duration,
) -> Result<Round> {
    let capacity = load_with(server.address(), &request, CAPACITY_TIME)?;
    let before = Rest::wait(server, None)?;
    let fates = Flood::run(server.address(), request, EXCESS * capacity.per_second, duration)?;
    let after = Rest::wait(server, Some(before.holdings))?;
    let (others, others_count) = (fates.others_text(), fates.others.values().sum());
    let Fates { begun, answered, answered_count, refused, refused_count, others: _ } = fates;
    let (answered, refused) = (Samples::latency(answered), Samples::latency(refused));
    Ok(Round {
        scarce,
        duration,
        capacity,
        begun,
        answered_count,
        answered,
        refused_count,
        refused,
        others,
        others_count,
        before,
        after,
    })
}

impl Round {
    fn per_second(&self) -> f64 {
        self.answered_count as f64 / self.duration.as_secs_f64()
    }

    fn kept_share(&self) -> f64 {
        self.per_second() / self.capacity.per_second
    }

    fn json(&self) -> Value {
        json!({
            "scarce": format!("{:?}", self.scarce).to_lowercase(),
            "capacity_per_second": rounded(self.capacity.per_second, 10.0),
            "offered_per_second": rounded(self.begun as f64 / self.duration.as_secs_f64(), 10.0),
            "answered_per_second": rounded(self.per_second(), 10.0),
            "kept_share": rounded(self.kept_share(), 1000.0),
            "answered": latency_json(&self.answered),
            "refused_count": self.refused_count,
            "refused": latency_json(&self.refused),
            "others": self.others,
            "before": self.before.text(),
            "after": self.after.text(),
        })
    }
}

/// The results.
pub(super) fn section(rounds: &[Round]) -> Section {
    let mut table = Table::new(&[
        "scarce",
        "capacity/s",
        "offered/s",
        "answered/s",
        "kept",
        "answered p50",
        "p99",
        "refused",
        "refused p50",
        "p99",
        "else",
        "live/streams/queued afterwards",
    ]);
    for round in rounds {
        let name = match round.scarce {
            Scarce::Instances => "8 instances, each asleep for 10 ms",
            Scarce::Core => "one core, 4 instances, 10 ms of it for each",
        };
        let figures = [
            number(round.capacity.per_second),
            number(round.begun as f64 / round.duration.as_secs_f64()),
            number(round.per_second()),
            percent(round.kept_share()),
            time_or_none(round.answered.p50),
            time_or_none(round.answered.p99),
            number(round.refused_count as f64),
            time_or_none(round.refused.p50),
            time_or_none(round.refused.p99),
            round.others.clone(),
            format!("{} (before: {})", round.after.text(), round.before.text()),
        ];
        table.line(name.to_owned(), figures);
    }
    let all = |holds: &dyn Fn(&Round) -> bool| rounds.iter().all(holds);
    let within = |time: Option<Duration>, ms_max| time.is_some_and(|time| time.as_secs_f64() * 1e3 < ms_max);
    let promises = vec![
        Promise {
            text: "at ten times the load 90 % of the capacity is answered".to_owned(),
            kept: all(&|round| round.kept_share() >= KEPT_SHARE_MIN),
        },
        Promise {
            text: "99 of a hundred that are answered take less than the queue-timeout and 100 ms".to_owned(),
            kept: all(&|round| within(round.answered.p99, ANSWERED_MS_MAX)),
        },
        Promise {
            text: "all others get 503 with `Retry-After`".to_owned(),
            kept: all(&|round| round.others_count == 0),
        },
        Promise {
            text: "half of them within 10 ms".to_owned(),
            kept: all(&|round| within(round.refused.p50, REFUSED_MS_MAX)),
        },
        Promise {
            text: "afterwards nothing is live or queued, and threads and files are as before".to_owned(),
            kept: all(&|round| round.after.is_as(&round.before)),
        },
    ];
    let json = json!({ "rounds": rounds.iter().map(Round::json).collect::<Vec<_>>() });
    Section { name: "excess", title: "Ten times what can be done", promises, table, json }
}
