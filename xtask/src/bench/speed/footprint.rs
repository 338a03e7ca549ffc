//! What a server has resident: while it waits, and what requests add to it.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mio::{Events, Poll, Token};

use super::connection::{Connection, Scratch, wait};
use super::reply::Step;
use super::server::RUNNING_MAX;
use crate::bench::process::{ServerProcess, pause, status_field};

/// So many requests at once tell what one of them takes.
const REQUESTS: usize = 200;
/// How long a server may rest, or settle with what it has got, before its memory is read.
const REST: Duration = Duration::from_secs(1);

/// What an idle server has, in KiB.
///
/// # Errors
///
/// Where the system does not tell.
pub(super) fn of_idle(server: &ServerProcess) -> Result<f64> {
    pause(REST);
    resident_kib(server.id()).map(|kib| kib as f64)
}

/// What each of many requests adds that all run, in KiB.
///
/// # Errors
///
/// Where they do not go on, or the system does not tell.
pub(super) fn of_running(server: &ServerProcess, request: &[u8]) -> Result<f64> {
    let idle = of_idle(server)?;
    let mut held = Held::new()?;
    held.open(server, request, REQUESTS)?;
    Ok((of_idle(server)? - idle) / REQUESTS as f64)
}

/// What each of many requests adds that wait while [`RUNNING_MAX`] others run, in KiB.
///
/// # Errors
///
/// Where they do not go on, or the system does not tell.
pub(super) fn of_waiting(server: &ServerProcess, request: &[u8]) -> Result<f64> {
    let mut held = Held::new()?;
    held.open(server, request, RUNNING_MAX)?;
    of_running(server, request)
}

/// Requests that are never answered. They end when this is dropped.
struct Held {
    poll: Poll,
    connections: Vec<Connection>,
}

impl Held {
    fn new() -> Result<Self> {
        Ok(Self { poll: Poll::new().context("waiting for connections")?, connections: Vec::new() })
    }

    /// Sends as many more, and lets them settle.
    fn open(&mut self, server: &ServerProcess, request: &[u8], requests: usize) -> Result<()> {
        let mut events = Events::with_capacity(requests);
        let mut scratch = Scratch::default();
        for _ in 0..requests {
            let token = Token(self.connections.len());
            let connection = Connection::open(server.address(), &self.poll, token).context("connecting")?;
            self.connections.push(connection);
            wait(&mut self.poll, &mut events, REST).context("waiting for a connection")?;
            for event in &events {
                let step = self.connections[event.token().0].advance(request, &mut scratch);
                ensure!(matches!(step, Ok(Step::Partial)), "a request that should go on has ended");
            }
        }
        Ok(())
    }
}

/// What all processes of the group `id` have resident, in KiB.
fn resident_kib(id: u32) -> Result<u64> {
    let processes = fs::read_dir("/proc").context("looking for its processes")?;
    let of_group = processes.filter_map(|process| {
        let process = process.ok()?.path();
        let stat = fs::read_to_string(process.join("stat")).ok()?;
        (group_in(&stat)? == id).then_some(process)
    });
    let mut kib = 0;
    for process in of_group {
        let status = fs::read_to_string(process.join("status")).unwrap_or_default();
        kib += status_field::<u64>(&status, "VmRSS:").unwrap_or_default();
    }
    ensure!(kib > 0, "its memory is not told");
    Ok(kib)
}

/// The group of processes in `/proc/PID/stat`: the third field after the name, which may have spaces.
fn group_in(stat: &str) -> Option<u32> {
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_ascii_whitespace().nth(2)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn group_is_found_behind_a_name_with_spaces() {
        assert_eq!(group_in("12 (a (b) c) S 1 34 5 0 -1"), Some(34));
        assert_eq!(group_in("12 (a"), None);
    }
}
