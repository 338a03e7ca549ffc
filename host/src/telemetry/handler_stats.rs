//! What one handler's requests have cost and how they ended: counters that every thread may add to
//! without waiting for another, whatever its priority.

use super::sampler::Sampler;
use crate::outcome::{Outcome, Reason};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// A poll is long when the guest kept its thread for this many slices: preemption did not reach it.
const LONG_POLL_SLICES: u32 = 10;
/// Long polls a second that the log tells of; the metrics have them all.
const LONG_POLLS_TOLD_MAX: u32 = 1;

/// A counter for each reason.
type ByReason = [AtomicU64; Reason::ALL.len()];

/// The counters of one handler.
#[derive(Debug)]
pub struct HandlerStats {
    long_poll_ns: u64,
    answered: AtomicU64,
    /// Those of them whose status was 500 or above.
    answered_5xx: AtomicU64,
    failed: ByReason,
    after_answer: ByReason,
    cpu_ns: AtomicU64,
    long_polls: AtomicU64,
    longest_poll_ns: AtomicU64,
    told: Sampler,
}

impl HandlerStats {
    /// Counters of a handler whose guests are to give their thread back after `slice`.
    pub fn new(slice: Duration) -> Self {
        let long_poll = slice.saturating_mul(LONG_POLL_SLICES);
        let by_reason = || std::array::from_fn(|_| AtomicU64::new(0));
        Self {
            long_poll_ns: u64::try_from(long_poll.as_nanos()).unwrap_or(u64::MAX),
            answered: AtomicU64::new(0),
            answered_5xx: AtomicU64::new(0),
            failed: by_reason(),
            after_answer: by_reason(),
            cpu_ns: AtomicU64::new(0),
            long_polls: AtomicU64::new(0),
            longest_poll_ns: AtomicU64::new(0),
            told: Sampler::new(LONG_POLLS_TOLD_MAX),
        }
    }

    /// Counts a request that has ended, with this status.
    pub(super) fn ended(&self, outcome: Outcome, status: u16) {
        if outcome == Outcome::Answered && status >= 500 {
            self.answered_5xx.fetch_add(1, Relaxed);
        }
        let counter = match outcome {
            Outcome::Answered => &self.answered,
            Outcome::Failed(reason) => &self.failed[reason.index()],
        };
        counter.fetch_add(1, Relaxed);
    }

    /// Counts a guest that was ended after its answer.
    pub(super) fn ended_after_answer(&self, reason: Reason) {
        self.after_answer[reason.index()].fetch_add(1, Relaxed);
    }

    /// Adds CPU time inside guests.
    pub(super) fn used_cpu(&self, ns: u64) {
        self.cpu_ns.fetch_add(ns, Relaxed);
    }

    /// Counts a poll that took this much CPU time, if that is long.
    pub(super) fn polled(&self, ns: u64) {
        if self.is_long(ns) {
            self.long_polls.fetch_add(1, Relaxed);
            self.longest_poll_ns.fetch_max(ns, Relaxed);
        }
    }

    /// Whether a poll of this much CPU time is to be told of; if so, with how many requests had one
    /// and were not told of since the last that was. Takes a lock: not for threads of a low class.
    pub(super) fn tell_long_poll(&self, ns: u64) -> Option<u64> {
        self.is_long(ns).then(|| self.told.admit()).flatten()
    }

    fn is_long(&self, ns: u64) -> bool {
        ns > self.long_poll_ns
    }

    /// Requests that ended, by the label of how.
    pub fn requests(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        [("ok", self.answered.load(Relaxed))].into_iter().chain(counted(&self.failed))
    }

    /// Requests that the handler answered, or that it is to blame for, and those among them that went
    /// wrong: by its own word, or by its end.
    pub fn judged(&self) -> (u64, u64) {
        let blamed = Reason::ALL.iter().filter(|reason| reason.blames_handler());
        let failed: u64 = blamed.map(|reason| self.failed[reason.index()].load(Relaxed)).sum();
        (self.answered.load(Relaxed) + failed, self.answered_5xx.load(Relaxed) + failed)
    }

    /// Guests that were ended after their answer, by the label of why.
    pub fn after_answer(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        counted(&self.after_answer)
    }

    /// CPU time inside guests. A request that runs is behind by a few milliseconds.
    pub fn cpu(&self) -> Duration {
        Duration::from_nanos(self.cpu_ns.load(Relaxed))
    }

    /// Polls that kept their thread for more than ten slices.
    pub fn long_polls(&self) -> u64 {
        self.long_polls.load(Relaxed)
    }

    /// The longest of the long polls; zero without one.
    pub fn longest_poll(&self) -> Duration {
        Duration::from_nanos(self.longest_poll_ns.load(Relaxed))
    }
}

/// The reasons that were counted at all.
fn counted(counters: &ByReason) -> impl Iterator<Item = (&'static str, u64)> + '_ {
    let counts = counters.iter().map(|counter| counter.load(Relaxed));
    let named = Reason::ALL.iter().map(|reason| reason.label()).zip(counts);
    named.filter(|(_, count)| *count > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_poll_is_long_after_ten_slices_and_the_longest_stays() {
        let stats = HandlerStats::new(Duration::from_millis(1));
        stats.polled(10_000_000);
        assert_eq!((stats.long_polls(), stats.longest_poll()), (0, Duration::ZERO));
        assert_eq!(stats.tell_long_poll(10_000_000), None);
        for ns in [10_000_001, 30_000_000, 20_000_000] {
            stats.polled(ns);
        }
        assert_eq!((stats.long_polls(), stats.longest_poll()), (3, Duration::from_millis(30)));
        assert_eq!(stats.tell_long_poll(30_000_000), Some(0));
        assert_eq!(stats.tell_long_poll(30_000_000), None, "one a second");
    }

    #[test]
    fn each_request_counts_once_under_its_label() {
        let stats = HandlerStats::new(Duration::from_millis(1));
        assert_eq!(stats.requests().collect::<Vec<_>>(), [("ok", 0)]);
        stats.ended(Outcome::Answered, 200);
        stats.ended(Outcome::Failed(Reason::Killed), 504);
        stats.ended(Outcome::Failed(Reason::Killed), 504);
        assert_eq!(stats.requests().collect::<Vec<_>>(), [("ok", 1), ("killed", 2)]);
        assert_eq!(stats.judged(), (1, 0), "nobody is to blame for being killed");
        stats.ended(Outcome::Answered, 500);
        stats.ended(Outcome::Failed(Reason::GuestTrap), 500);
        assert_eq!(stats.judged(), (3, 2));
        assert_eq!(stats.after_answer().count(), 0);
        stats.ended_after_answer(Reason::PostReturnTimeout);
        assert_eq!(stats.after_answer().collect::<Vec<_>>(), [("post_return_timeout", 1)]);
    }
}
