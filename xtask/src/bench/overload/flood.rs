//! Requests at a fixed pace, whatever becomes of those before: half on connections that are kept, half on
//! new ones; and what became of each.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::bench::exchange::{Exchange, Progress, wait};
use crate::bench::process::pause;
use crate::bench::statistics::Samples;

/// The time between two looks at the connections: a look for every answer would cost the host the cores.
const TICK: Duration = Duration::from_millis(1);
/// The most requests that are open at a time. Those that would be more do not begin, and count as such.
const IN_FLIGHT_MAX: usize = 6000;
/// The most connections that are kept for later.
const IDLE_MAX: usize = 256;
/// How long an answer is waited for.
const ANSWER_BOUND: Duration = Duration::from_secs(10);

/// The files that are open at a time.
pub(super) const FILES_MAX: u64 = (IN_FLIGHT_MAX + IDLE_MAX) as u64;

/// Requests, and what became of them so far.
pub(super) struct Flood {
    address: SocketAddr,
    request: Cow<'static, [u8]>,
    going: Vec<Exchange>,
    idle: Vec<Exchange>,
    fates: Fates,
}

/// What became of the requests.
#[derive(Default)]
pub(super) struct Fates {
    /// How many began.
    pub(super) begun: usize,
    /// How long those took that were answered with what was asked for.
    pub(super) answered: Samples,
    /// How many of these there were while requests began.
    pub(super) answered_count: usize,
    /// How long those took that were answered with 503 and `Retry-After`.
    pub(super) refused: Samples,
    /// How many of these there were.
    pub(super) refused_count: usize,
    /// What else there was, and how often.
    pub(super) others: BTreeMap<String, usize>,
}

impl Flood {
    /// Begins `per_second` requests a second for `duration`, and waits until all are over.
    ///
    /// # Errors
    ///
    /// Where the system cannot wait for so many connections.
    pub(super) fn run(
        address: SocketAddr,
        request: Cow<'static, [u8]>,
        per_second: f64,
        duration: Duration,
    ) -> Result<Fates> {
        let mut flood =
            Self { address, request, going: Vec::new(), idle: Vec::new(), fates: Fates::default() };
        let begun_at = Instant::now();
        let mut due = 0;
        while begun_at.elapsed() < duration {
            let due_now = (begun_at.elapsed().as_secs_f64() * per_second) as usize;
            (due..due_now).for_each(|number| flood.begin(number));
            due = due_now;
            flood.advance()?;
        }
        flood.fates.answered_count = flood.fates.answered.answered_count();
        // Each ends within its time.
        while !flood.going.is_empty() {
            flood.advance()?;
        }
        Ok(flood.fates)
    }

    fn begin(&mut self, number: usize) {
        self.fates.begun += 1;
        if self.going.len() >= IN_FLIGHT_MAX {
            return self.fates.other("not begun");
        }
        if let Some(mut kept) = self.idle.pop_if(|_| number.is_multiple_of(2)) {
            // A refusal may be there before the next line is.
            let progress = kept.repeat();
            return self.settle(kept, progress);
        }
        match Exchange::open(self.address, self.request.clone()) {
            Ok(exchange) => self.going.push(exchange),
            Err(_) => self.fates.other("no connection"),
        }
    }

    /// Goes on with all that can, once in a tick.
    fn advance(&mut self) -> Result<()> {
        pause(TICK);
        let ready = wait(self.going.iter(), Duration::ZERO).context("waiting for answers")?;
        let going = std::mem::take(&mut self.going);
        for (mut exchange, is_ready) in going.into_iter().zip(ready) {
            let progress = match is_ready {
                true => exchange.advance(),
                false => Progress::Pending,
            };
            self.settle(exchange, progress);
        }
        Ok(())
    }

    /// Counts what is over, and keeps what is not.
    fn settle(&mut self, exchange: Exchange, progress: Progress) {
        match progress {
            Progress::Pending if exchange.elapsed() <= ANSWER_BOUND => self.going.push(exchange),
            Progress::Pending => self.fates.other("no answer"),
            Progress::Failed => self.fates.other("cut off"),
            Progress::Answered { ok, reusable } => {
                match ok {
                    true => self.fates.answered.answer(exchange.elapsed()),
                    false => self.fates.refuse(exchange.response(), exchange.elapsed()),
                }
                if reusable && self.idle.len() < IDLE_MAX {
                    self.idle.push(exchange);
                }
            }
        }
    }
}

impl Fates {
    fn refuse(&mut self, response: &[u8], took: Duration) {
        let head = String::from_utf8_lossy(response);
        let status = head.get(9..12).unwrap_or_default();
        match (status, has_retry_after(&head)) {
            ("503", true) => {
                self.refused_count += 1;
                self.refused.answer(took);
            }
            ("503", false) => self.other("503 without Retry-After"),
            (status, _) => self.other(&format!("status {status}")),
        }
    }

    fn other(&mut self, what: &str) {
        *self.others.entry(what.to_owned()).or_default() += 1;
    }

    /// What else there was, as it is shown.
    pub(super) fn others_text(&self) -> String {
        let parts: Vec<_> = self.others.iter().map(|(what, count)| format!("{count} {what}")).collect();
        if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
    }
}

/// Whether a head says, in whole seconds, when to come back.
fn has_retry_after(response: &str) -> bool {
    let head = response.split("\r\n\r\n").next().unwrap_or_default();
    head.split("\r\n").filter_map(|line| line.split_once(':')).any(|(name, value)| {
        name.eq_ignore_ascii_case("retry-after")
            && value.trim().parse::<u32>().is_ok_and(|seconds| seconds > 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_503_that_says_when_to_come_back_is_a_refusal() {
        let mut fates = Fates::default();
        let took = Duration::from_millis(1);
        fates.refuse(b"HTTP/1.1 503 Busy\r\nretry-after: 2\r\n\r\n", took);
        fates.refuse(b"HTTP/1.1 503 Busy\r\n\r\nretry-after: 2\r\n", took);
        fates.refuse(b"HTTP/1.1 503 Busy\r\nRetry-After: soon\r\n\r\n", took);
        fates.refuse(b"HTTP/1.1 500 Oh\r\nretry-after: 2\r\n\r\n", took);
        assert_eq!(fates.refused_count, 1);
        assert_eq!(fates.others_text(), "2 503 without Retry-After, 1 status 500");
        assert_eq!(Fates::default().others_text(), "none");
    }
}
