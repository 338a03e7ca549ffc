//! The record of one request: what was asked, how it ended and what it cost. Its one log line is
//! written when the last of its two holders, the connection and the guest's job, lets go, so the
//! figures in it are final.

use crate::outcome::{Outcome, Reason};
use crate::telemetry::{RequestId, TraceParent};
use http::StatusCode;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// What a request asked for.
#[derive(Debug)]
pub struct RequestHead {
    /// The request's id.
    pub id: RequestId,
    /// The trace it belongs to, if its client said so.
    pub trace: Option<TraceParent>,
    /// Its method.
    pub method: http::Method,
    /// Its path, without the query (which may hold secrets).
    pub path: String,
    /// The handler that serves it.
    pub handler: Arc<str>,
}

/// One request and its one outcome.
#[derive(Debug)]
pub struct Exchange {
    /// What was asked.
    pub head: RequestHead,
    started: Instant,
    /// 0 until a head was sent.
    status: AtomicU16,
    ending: OnceLock<(Outcome, Duration)>,
    cpu_ns: AtomicU64,
    memory_peak_bytes: AtomicU64,
}

impl Exchange {
    /// Opens the record of a request that arrived now.
    pub fn new(head: RequestHead) -> Arc<Self> {
        Arc::new(Self {
            head,
            started: Instant::now(),
            status: AtomicU16::new(0),
            ending: OnceLock::new(),
            cpu_ns: AtomicU64::new(0),
            memory_peak_bytes: AtomicU64::new(0),
        })
    }

    /// Records the status that the client is sent.
    pub fn answer(&self, status: StatusCode) {
        self.status.store(status.as_u16(), Relaxed);
    }

    /// Ends the request; the first caller decides how. Returns the outcome that stands.
    pub fn end(&self, outcome: Outcome) -> Outcome {
        self.ending.get_or_init(|| (outcome, self.started.elapsed())).0
    }

    /// Ends the request as failed; returns the reason that stands, which is `reason` when the
    /// request was already answered in full.
    pub fn fail(&self, reason: Reason) -> Reason {
        match self.end(Outcome::Failed(reason)) {
            Outcome::Failed(first) => first,
            Outcome::Answered => reason,
        }
    }

    /// How the request ended, if it has.
    pub fn outcome(&self) -> Option<Outcome> {
        self.ending.get().map(|(outcome, _)| *outcome)
    }

    /// Why the request failed, if it has.
    pub fn failure(&self) -> Option<Reason> {
        match self.outcome() {
            Some(Outcome::Failed(reason)) => Some(reason),
            Some(Outcome::Answered) | None => None,
        }
    }

    /// Adds CPU time that the guest used; returns the sum in nanoseconds.
    pub fn add_cpu(&self, nanoseconds: u64) -> u64 {
        self.cpu_ns.fetch_add(nanoseconds, Relaxed) + nanoseconds
    }

    /// CPU time that the guest used, in nanoseconds.
    pub fn cpu_ns(&self) -> u64 {
        self.cpu_ns.load(Relaxed)
    }

    /// Records the most memory that the guest held at once.
    pub fn memory_peak(&self, bytes: u64) {
        self.memory_peak_bytes.fetch_max(bytes, Relaxed);
    }
}

#[cfg(test)]
impl Exchange {
    /// The record of some request, for tests of what is done with one.
    pub(crate) fn sample() -> Arc<Self> {
        Self::new(RequestHead {
            id: RequestId::from_client(None),
            trace: None,
            method: http::Method::GET,
            path: "/".to_owned(),
            handler: "test".into(),
        })
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let (outcome, wall) = self
            .ending
            .get()
            .copied()
            .unwrap_or((Outcome::Failed(Reason::ClientGone), self.started.elapsed()));
        let head = &self.head;
        macro_rules! line {
            ($level:ident, $reason:expr) => {
                tracing::$level!(
                    method = %head.method,
                    path = head.path,
                    handler = &*head.handler,
                    status = self.status.load(Relaxed),
                    reason = $reason,
                    wall_ms = millis(wall),
                    cpu_ms = millis(Duration::from_nanos(self.cpu_ns())),
                    memory_peak_bytes = self.memory_peak_bytes.load(Relaxed),
                    request_id = %head.id,
                    trace_id = head.trace.map(tracing::field::display),
                    "request"
                )
            };
        }
        match outcome {
            Outcome::Answered => line!(info, "ok"),
            Outcome::Failed(reason) => line!(warn, reason.label()),
        }
    }
}

/// Milliseconds with three decimals: enough for a hello, short enough to read.
fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_ending_stands() {
        let failed = Exchange::sample();
        assert_eq!(failed.fail(Reason::CpuLimit), Reason::CpuLimit);
        assert_eq!(failed.fail(Reason::GuestTrap), Reason::CpuLimit);
        assert_eq!(failed.end(Outcome::Answered), Outcome::Failed(Reason::CpuLimit));

        let answered = Exchange::sample();
        answered.end(Outcome::Answered);
        assert_eq!(answered.fail(Reason::GuestTimeout), Reason::GuestTimeout);
        assert_eq!(answered.failure(), None);
    }

    #[test]
    fn costs_add_up_and_the_peak_stays() {
        let exchange = Exchange::sample();
        assert_eq!(exchange.add_cpu(2), 2);
        assert_eq!(exchange.add_cpu(3), 5);
        exchange.memory_peak(9);
        exchange.memory_peak(4);
        assert_eq!(exchange.memory_peak_bytes.load(Relaxed), 9);
    }
}
