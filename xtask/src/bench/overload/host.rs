//! The host that a crowd meets: started anew for every measurement, with what it holds at rest.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::bench::machine::SERVER_CORE;
use crate::bench::process::{ServerProcess, pause, status_field};
use crate::bench::scheduler::answers::ask;
use crate::bench::scheduler::ready::READY;

/// How long the host may take to be as it was.
const REST_BOUND: Duration = Duration::from_secs(15);
/// How often it is looked at meanwhile.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// How often it has to look the same to be at rest.
const SAME_LOOKS_MIN: usize = 10;
/// How long it may take to tell how it is.
const READY_BOUND: Duration = Duration::from_secs(2);

/// What every measurement starts its host from.
pub(super) struct Hosts {
    /// The program.
    pub(super) program: PathBuf,
    /// The guest `crowd`.
    pub(super) component: PathBuf,
    /// Where a host's log is kept, and what else is of use only meanwhile.
    pub(super) directory: PathBuf,
    /// How long a crowd is there.
    pub(super) duration: Duration,
    /// How many streams are opened, one number after the other.
    pub(super) streams: Vec<usize>,
    /// How many cores there are.
    pub(super) cores: usize,
}

/// What a process holds, as the system tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Holdings {
    pub(super) threads: usize,
    pub(super) files: usize,
    pub(super) resident_kib: usize,
}

/// A host that was left alone for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rest {
    pub(super) holdings: Holdings,
    /// Instances, streams and waiting requests, as `/ready` tells; none where it told nothing.
    pub(super) held: Option<[u64; 3]>,
}

impl Hosts {
    /// Starts a host with these `arguments`, on one core of its own if it is to be so.
    ///
    /// # Errors
    ///
    /// Where it does not start.
    pub(super) fn start(&self, arguments: &[&str], one_core: bool) -> Result<ServerProcess> {
        let mut command = match one_core {
            false => Command::new(&self.program),
            true => {
                let mut taskset = Command::new("taskset");
                taskset.args(["--cpu-list", SERVER_CORE]).arg(&self.program);
                taskset
            }
        };
        command.arg("serve").arg(&self.component).args(["--listen", "127.0.0.1:0"]).args(arguments);
        ServerProcess::start(&mut command, &self.directory).context("wasm-host does not start")
    }
}

impl Holdings {
    /// What the process `id` holds now.
    ///
    /// # Errors
    ///
    /// Where the system does not tell, or the process is gone.
    pub(super) fn of(id: u32) -> Result<Self> {
        let status = fs::read_to_string(format!("/proc/{id}/status")).context("asking what it holds")?;
        let files = fs::read_dir(format!("/proc/{id}/fd")).context("asking for its files")?.count();
        let field = |name| status_field(&status, name).context("the system does not tell what it holds");
        Ok(Self { threads: field("Threads:")?, files, resident_kib: field("VmRSS:")? })
    }
}

impl Holdings {
    /// What the process `id` holds once it comes to rest, and to no more than `before` if that is given.
    ///
    /// # Errors
    ///
    /// Where the system does not tell, or the process is gone.
    pub(super) fn at_rest(id: u32, before: Option<Self>) -> Result<Self> {
        let give_up_at = Instant::now() + REST_BOUND;
        let mut last = Self::of(id)?;
        let mut same_looks = 0;
        loop {
            pause(LOOK_INTERVAL);
            let now = Self::of(id)?;
            same_looks =
                if (now.threads, now.files) == (last.threads, last.files) { same_looks + 1 } else { 0 };
            let is_at_rest = match before {
                Some(before) => now.is_at_most(before),
                None => same_looks >= SAME_LOOKS_MIN,
            };
            if is_at_rest || Instant::now() >= give_up_at {
                return Ok(now);
            }
            last = now;
        }
    }

    /// Whether there are no more threads and files than in `other`.
    pub(super) fn is_at_most(self, other: Self) -> bool {
        self.threads <= other.threads && self.files <= other.files
    }
}

impl Rest {
    /// Waits until the host is at rest, and holds no more than `before` if that is given; what it holds
    /// then, or when it has had its time.
    ///
    /// # Errors
    ///
    /// Where the host cannot be looked at.
    pub(super) fn wait(server: &ServerProcess, before: Option<Holdings>) -> Result<Self> {
        let give_up_at = Instant::now() + REST_BOUND;
        loop {
            let held = held(server.address())?;
            let holdings = Holdings::at_rest(server.id(), before)?;
            if held == Some([0; 3]) || Instant::now() >= give_up_at {
                return Ok(Self { holdings, held });
            }
        }
    }

    /// Whether nothing is left of what was there.
    pub(super) fn is_as(&self, before: &Self) -> bool {
        self.held == Some([0; 3]) && self.holdings.is_at_most(before.holdings)
    }

    /// What is held, as it is shown.
    pub(super) fn text(&self) -> String {
        let held = self.held.map_or("no answer".to_owned(), |held| held.map(|n| n.to_string()).join("/"));
        format!("{held}, {} threads, {} files", self.holdings.threads, self.holdings.files)
    }
}

/// Instances, streams and waiting requests.
fn held(address: SocketAddr) -> Result<Option<[u64; 3]>> {
    let answer = ask(address, READY.to_vec(), READY_BOUND)?;
    Ok(answer.and_then(|answer| held_in(&answer.response)))
}

fn held_in(response: &[u8]) -> Option<[u64; 3]> {
    let document = body(response)?;
    let live = |what: &str| document[what]["live"].as_u64();
    Some([live("instances")?, live("streams")?, document["queued"].as_u64()?])
}

/// The JSON that a response carries.
pub(super) fn body(response: &[u8]) -> Option<Value> {
    let body_at = response.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    serde_json::from_slice(&response[body_at..]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_read_from_the_body() {
        let response = |body: &str| format!("HTTP/1.1 200 OK\r\n\r\n{body}").into_bytes();
        let body = r#"{"instances":{"live":3,"max":8},"streams":{"live":2,"max":8},"queued":7}"#;
        assert_eq!(held_in(&response(body)), Some([3, 2, 7]));
        assert_eq!(held_in(&response(r#"{"instances":{"live":3}}"#)), None);
    }

    #[test]
    fn rest_is_no_more_of_anything_than_before() {
        let rest = |threads, files, held| {
            let holdings = Holdings { threads, files, resident_kib: 1 };
            Rest { holdings, held }
        };
        let before = rest(10, 20, Some([0; 3]));
        assert!(rest(10, 19, Some([0; 3])).is_as(&before));
        for worse in [rest(11, 20, Some([0; 3])), rest(10, 21, Some([0; 3])), rest(10, 20, Some([0, 1, 0]))] {
            assert!(!worse.is_as(&before), "{worse:?}");
        }
        assert!(!rest(10, 20, None).is_as(&before));
    }
}
