//! Requests that never end, and the connections that keep them going.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::exchange::{Exchange, Progress, SPIN, wait};

/// The time between two of them: a server with workers takes each before the next is there, so they do
/// not all wait in the queue of the first.
const INTERVAL: Duration = Duration::from_millis(2);
/// How long a server may take to accept the last of them. Those that it has not accepted then are not
/// there, and the results say so.
const ACCEPT_BOUND: Duration = Duration::from_secs(3);

/// Requests for something that never ends. They end when this is dropped.
pub(super) struct Runaways {
    exchanges: Vec<Exchange>,
}

impl Runaways {
    /// Opens `count` of them, and lets them run for `settle_time` before anything is measured.
    ///
    /// # Errors
    ///
    /// Where the system cannot wait for so many connections.
    pub(super) fn open(address: SocketAddr, count: usize, settle_time: Duration) -> Result<Self> {
        let mut runaways = Self { exchanges: Vec::with_capacity(count) };
        let mut next = Instant::now();
        for _ in 0..count {
            next += INTERVAL;
            runaways.exchanges.extend(Exchange::open(address, SPIN).ok());
            runaways.drive(next)?;
        }
        let accepted_by = Instant::now() + ACCEPT_BOUND;
        while Instant::now() < accepted_by && !runaways.exchanges.iter().all(Exchange::is_sent) {
            runaways.drive(Instant::now() + INTERVAL)?;
        }
        runaways.drive(Instant::now() + settle_time)?;
        Ok(runaways)
    }

    /// How many are still going: the server has them, and has neither answered nor dropped them.
    ///
    /// # Errors
    ///
    /// Where the system cannot tell.
    pub(super) fn in_flight(&mut self) -> Result<usize> {
        self.drive(Instant::now())?;
        Ok(self.exchanges.iter().filter(|exchange| exchange.is_sent()).count())
    }

    /// Sends what can be sent, and forgets those that are over, until `end`.
    fn drive(&mut self, end: Instant) -> Result<()> {
        loop {
            let bound = end.saturating_duration_since(Instant::now());
            let ready = wait(self.exchanges.iter(), bound).context("waiting for runaway requests")?;
            let mut ready = ready.into_iter();
            self.exchanges.retain_mut(|exchange| {
                !ready.next().unwrap_or(false) || exchange.advance() == Progress::Pending
            });
            if Instant::now() >= end {
                return Ok(());
            }
        }
    }
}
