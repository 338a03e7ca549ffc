//! The record of one request: what was asked, how it ended and what it cost. Its one log line is
//! written when the last of its two holders, the connection and the guest's job, lets go, so the
//! figures in it are final.

use super::handler_stats::HandlerStats;
use super::tally::Tally;
use super::verdict::Verdict;
use crate::outcome::{Outcome, Reason};
use crate::telemetry::{RequestId, TraceParent};
use http::StatusCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering::Relaxed};
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
    ending: Verdict,
    /// Why the guest was ended after its answer, if it was.
    afterwards: Verdict,
    cpu_ns: AtomicU64,
    /// How much of it the handler's counters know of.
    cpu_counted_ns: AtomicU64,
    poll_max_ns: AtomicU64,
    memory_bytes: AtomicU64,
    memory_peak_bytes: AtomicU64,
    stats: Arc<HandlerStats>,
    /// Whether it is one of a request, which is told and counted.
    recorded: bool,
    /// Of the version that serves it, where versions are counted apart.
    tally: Option<Arc<Tally>>,
}

/// How much CPU time of a running request its handler's counters may lack: counting every poll would
/// have all threads write to one place.
const CPU_UNCOUNTED_NS_MAX: u64 = 10_000_000;

impl Exchange {
    /// Opens the record of a request that arrived now, to be counted in `stats`.
    pub fn new(head: RequestHead, stats: Arc<HandlerStats>) -> Arc<Self> {
        Self::tallied(head, stats, None)
    }

    /// The same, to be counted for the version that serves it, too.
    pub fn tallied(head: RequestHead, stats: Arc<HandlerStats>, tally: Option<Arc<Tally>>) -> Arc<Self> {
        Arc::new(Self::open(head, stats, tally, true))
    }

    /// A record for what is done for `handler` without a request having asked for it: it is neither told
    /// nor counted as one. `what` stands in the place of a path.
    pub fn aside(handler: Arc<str>, what: &str, stats: Arc<HandlerStats>) -> Arc<Self> {
        let head = RequestHead {
            id: RequestId::from_client(None),
            trace: None,
            method: http::Method::GET,
            path: what.to_owned(),
            handler,
        };
        Arc::new(Self::open(head, stats, None, false))
    }

    fn open(head: RequestHead, stats: Arc<HandlerStats>, tally: Option<Arc<Tally>>, recorded: bool) -> Self {
        Self {
            head,
            started: Instant::now(),
            status: AtomicU16::new(0),
            ending: Verdict::default(),
            afterwards: Verdict::default(),
            cpu_ns: AtomicU64::new(0),
            cpu_counted_ns: AtomicU64::new(0),
            poll_max_ns: AtomicU64::new(0),
            memory_bytes: AtomicU64::new(0),
            memory_peak_bytes: AtomicU64::new(0),
            stats,
            tally,
            recorded,
        }
    }

    /// Records the status that the client is sent.
    pub fn answer(&self, status: StatusCode) {
        self.status.store(status.as_u16(), Relaxed);
    }

    /// Ends the request; the first caller decides how. Returns the outcome that stands.
    pub fn end(&self, outcome: Outcome) -> Outcome {
        self.ending.decide(outcome, self.started.elapsed())
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
        self.ending.get().map(|(outcome, _)| outcome)
    }

    /// Why the request failed, if it has.
    pub fn failure(&self) -> Option<Reason> {
        match self.outcome() {
            Some(Outcome::Failed(reason)) => Some(reason),
            Some(Outcome::Answered) | None => None,
        }
    }

    /// Records that the guest was ended although its answer was finished. The answer stands; of several
    /// reasons the first one does.
    pub fn ended_after_answer(&self, reason: Reason) {
        self.afterwards.decide(Outcome::Failed(reason), self.started.elapsed());
    }

    /// Whether the guest was ended although its answer was finished.
    pub fn was_ended_after_answer(&self) -> bool {
        self.afterwards.get().is_some()
    }

    /// How long ago the request arrived.
    pub fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// Books one poll of the guest, which took this much CPU time. Only one thread polls a guest at a
    /// time, and none is kept waiting here.
    pub fn polled(&self, nanoseconds: u64) {
        let sum = self.add_cpu(nanoseconds);
        if nanoseconds > self.poll_max_ns.load(Relaxed) {
            self.poll_max_ns.store(nanoseconds, Relaxed);
        }
        self.stats.polled(nanoseconds);
        let uncounted = sum - self.cpu_counted_ns.load(Relaxed).min(sum);
        if self.recorded && uncounted >= CPU_UNCOUNTED_NS_MAX {
            self.cpu_counted_ns.store(sum, Relaxed);
            self.stats.used_cpu(uncounted);
        }
    }

    /// The longest that the guest kept a thread, as CPU time.
    pub fn longest_poll(&self) -> Duration {
        Duration::from_nanos(self.poll_max_ns.load(Relaxed))
    }

    /// Adds CPU time that the guest used; returns the sum in nanoseconds.
    pub fn add_cpu(&self, nanoseconds: u64) -> u64 {
        self.cpu_ns.fetch_add(nanoseconds, Relaxed) + nanoseconds
    }

    /// Whether no request asked for it.
    pub fn is_aside(&self) -> bool {
        !self.recorded
    }

    /// Takes CPU time out of this record that was booked on that of a request.
    pub fn relieve(&self, nanoseconds: u64) {
        let less = |cpu_ns: u64| Some(cpu_ns.saturating_sub(nanoseconds));
        let _ = self.cpu_ns.fetch_update(Relaxed, Relaxed, less);
    }

    /// CPU time that the guest used, in nanoseconds.
    pub fn cpu_ns(&self) -> u64 {
        self.cpu_ns.load(Relaxed)
    }

    /// Records how much memory the guest holds now.
    pub fn memory(&self, bytes: u64) {
        self.memory_bytes.store(bytes, Relaxed);
        self.memory_peak_bytes.fetch_max(bytes, Relaxed);
    }

    /// How much memory the guest holds.
    pub fn memory_bytes(&self) -> u64 {
        self.memory_bytes.load(Relaxed)
    }

    /// The most memory that the guest held at once.
    pub fn memory_peak_bytes(&self) -> u64 {
        self.memory_peak_bytes.load(Relaxed)
    }
}

#[cfg(test)]
impl Exchange {
    /// The record of some request, for tests of what is done with one.
    pub(crate) fn sample() -> Arc<Self> {
        let head = RequestHead {
            id: RequestId::from_client(None),
            trace: None,
            method: http::Method::GET,
            path: "/".to_owned(),
            handler: "test".into(),
        };
        Self::new(head, Arc::new(HandlerStats::new(Duration::from_millis(1))))
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if !self.recorded {
            return;
        }
        let (outcome, wall) =
            self.ending.get().unwrap_or((Outcome::Failed(Reason::ClientGone), self.started.elapsed()));
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
        self.count(outcome);
        // What needs telling of beside, both of the guest and rare; the request's own line is the last.
        let (handler, request_id) = (&*head.handler, &head.id);
        if let Some(reason) = self.afterwards(outcome) {
            tracing::warn!(reason = reason.label(), handler, %request_id, "guest ended after its answer");
        }
        let longest_poll = self.longest_poll();
        if let Some(untold) = self.stats.tell_long_poll(self.poll_max_ns.load(Relaxed)) {
            let longest_poll_ms = millis(longest_poll);
            tracing::warn!(longest_poll_ms, untold, handler, %request_id,
                "long poll: preemption does not reach into bulk operations and host calls");
        }
        match outcome {
            Outcome::Answered => line!(info, "ok"),
            Outcome::Failed(reason) => line!(warn, reason.label()),
        }
    }
}

impl Exchange {
    /// Why the guest was ended after its answer, if there was one.
    fn afterwards(&self, outcome: Outcome) -> Option<Reason> {
        match (outcome, self.afterwards.get()?) {
            (Outcome::Answered, (Outcome::Failed(reason), _)) => Some(reason),
            (Outcome::Answered | Outcome::Failed(_), _) => None,
        }
    }

    fn count(&self, outcome: Outcome) {
        let status = self.status.load(Relaxed);
        self.stats.ended(outcome, status);
        if let Some(tally) = &self.tally {
            tally.ended(outcome, status);
        }
        if let Some(reason) = self.afterwards(outcome) {
            self.stats.ended_after_answer(reason);
        }
        self.stats.used_cpu(self.cpu_ns().saturating_sub(self.cpu_counted_ns.load(Relaxed)));
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
        exchange.memory(9);
        exchange.memory(4);
        assert_eq!((exchange.memory_bytes(), exchange.memory_peak_bytes()), (4, 9));
    }

    #[test]
    fn every_nanosecond_is_counted_once_and_the_longest_poll_stays() {
        let stats = Arc::new(HandlerStats::new(Duration::from_millis(1)));
        let sample = Exchange::sample();
        let head = RequestHead {
            id: sample.head.id.clone(),
            trace: None,
            method: http::Method::GET,
            path: String::new(),
            handler: "test".into(),
        };
        let exchange = Exchange::new(head, stats.clone());
        for ns in [4_000_000, 7_000_000, 3_000_000] {
            exchange.polled(ns);
        }
        assert_eq!(stats.cpu(), Duration::from_millis(11), "a running request is behind");
        assert_eq!(exchange.longest_poll(), Duration::from_millis(7));
        exchange.end(Outcome::Answered);
        exchange.ended_after_answer(Reason::PostReturnTimeout);
        exchange.ended_after_answer(Reason::Killed);
        drop(exchange);
        assert_eq!(stats.cpu(), Duration::from_millis(14));
        assert_eq!(stats.requests().collect::<Vec<_>>(), [("ok", 1)]);
        assert_eq!(stats.after_answer().collect::<Vec<_>>(), [("post_return_timeout", 1)]);
    }
}
