//! Runaway requests that begin at a steady rate, whether or not the ones before them have ended, each on
//! a connection of its own; and what became of each.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::ready::{READY, live_in};
use crate::bench::exchange::{Exchange, Progress, SPIN, wait};

/// How many begin in a second.
pub(super) const PER_SECOND: u32 = 200;
/// The most that are open at a time. Those that would be more do not begin, and count as such.
pub(super) const IN_FLIGHT_MAX: usize = 2000;
/// How often the host is asked how many instances are live.
const READY_INTERVAL: Duration = Duration::from_millis(100);
/// How long a runaway is waited for: a little longer than the host lets it live.
const ANSWER_BOUND: Duration = Duration::from_secs(35);
/// What a runaway is to be answered with.
const KILLED: &str = "cpu_limit";

/// Runaways, and what became of them so far.
pub(super) struct Storm {
    address: SocketAddr,
    going: Vec<(Aim, Exchange)>,
    fates: Fates,
}

/// What became of the runaways.
#[derive(Default)]
pub(super) struct Fates {
    /// How many were due to begin.
    pub(super) begun: usize,
    /// How many were ended by their CPU budget, and told so.
    pub(super) killed: usize,
    /// What else they got, and how many got it.
    pub(super) others: BTreeMap<String, usize>,
    /// The most instances that were seen live.
    pub(super) live_most: usize,
}

/// What a connection is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Aim {
    Runaway,
    Ready,
}

impl Storm {
    /// Begins runaways for `duration`.
    ///
    /// # Errors
    ///
    /// Where the system cannot wait for so many connections.
    pub(super) fn run(address: SocketAddr, duration: Duration) -> Result<Self> {
        let mut storm = Self { address, going: Vec::new(), fates: Fates::default() };
        let mut next = Instant::now();
        let mut ready_at = next;
        let end = next + duration;
        while Instant::now() < end {
            while next < end && next <= Instant::now() {
                next += Duration::from_secs(1) / PER_SECOND;
                storm.begin();
            }
            if ready_at <= Instant::now() {
                ready_at = Instant::now() + READY_INTERVAL;
                storm
                    .going
                    .extend(Exchange::open(address, READY).ok().map(|exchange| (Aim::Ready, exchange)));
            }
            storm.advance(next.min(end).saturating_duration_since(Instant::now()))?;
        }
        Ok(storm)
    }

    /// Waits until all are over, as long as one may take.
    ///
    /// # Errors
    ///
    /// Where the system cannot wait for so many connections.
    pub(super) fn end(mut self) -> Result<Fates> {
        while !self.going.is_empty() {
            self.advance(READY_INTERVAL)?;
        }
        Ok(self.fates)
    }

    fn begin(&mut self) {
        self.fates.begun += 1;
        if self.going.len() >= IN_FLIGHT_MAX {
            return self.fates.other("not begun");
        }
        match Exchange::open(self.address, SPIN) {
            Ok(exchange) => self.going.push((Aim::Runaway, exchange)),
            Err(_) => self.fates.other("no connection"),
        }
    }

    /// Goes on with all that can, or waits for `bound` until some can.
    fn advance(&mut self, bound: Duration) -> Result<()> {
        let ready = wait(self.going.iter().map(|(_, exchange)| exchange), bound);
        let mut ready = ready.context("waiting for runaway requests")?.into_iter();
        let fates = &mut self.fates;
        self.going.retain_mut(|(aim, exchange)| {
            let progress = match ready.next().unwrap_or(false) {
                true => exchange.advance(),
                false => Progress::Pending,
            };
            if progress == Progress::Pending && exchange.elapsed() <= ANSWER_BOUND {
                return true;
            }
            match aim {
                Aim::Ready => {
                    let live = live_in(exchange.response()).unwrap_or_default();
                    fates.live_most = fates.live_most.max(live);
                }
                Aim::Runaway => match progress {
                    Progress::Pending => fates.other("no answer"),
                    Progress::Failed => fates.other("cut off"),
                    Progress::Answered { .. } => fates.answer(exchange.response()),
                },
            }
            false
        });
        Ok(())
    }
}

impl Fates {
    fn answer(&mut self, response: &[u8]) {
        let head = String::from_utf8_lossy(response);
        let details = head.split_once("details=\"").and_then(|(_, rest)| rest.split_once('"'));
        let status = head.get(9..12).unwrap_or_default();
        match details.map(|(reason, _)| reason) {
            Some(KILLED) if status == "504" => self.killed += 1,
            Some(reason) => self.other(&format!("{status} {reason}")),
            None => self.other(&format!("status {status}")),
        }
    }

    fn other(&mut self, what: &str) {
        *self.others.entry(what.to_owned()).or_default() += 1;
    }

    /// How many got something else than they should.
    pub(super) fn others_count(&self) -> usize {
        self.others.values().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_504_for_spent_cpu_time_is_a_kill() {
        let mut fates = Fates::default();
        let error = "proxy-status: wasm-host; error=x; details=";
        fates.answer(format!("HTTP/1.1 504 Gateway Timeout\r\n{error}\"cpu_limit\"\r\n\r\n").as_bytes());
        fates.answer(format!("HTTP/1.1 504 Gateway Timeout\r\n{error}\"guest_timeout\"\r\n\r\n").as_bytes());
        fates.answer(format!("HTTP/1.1 500 Oh\r\n{error}\"cpu_limit\"\r\n\r\n").as_bytes());
        fates.answer(b"HTTP/1.1 200 OK\r\n\r\n");
        fates.answer(b"HTTP/1.1 200 OK\r\n\r\n");
        assert_eq!((fates.killed, fates.others_count()), (1, 4));
        let others: Vec<_> = fates.others.iter().map(|(what, &count)| (what.as_str(), count)).collect();
        assert_eq!(others, [("500 cpu_limit", 1), ("504 guest_timeout", 1), ("status 200", 2)]);
    }
}
