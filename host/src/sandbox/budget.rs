//! The two budgets of a request that time counts down: the wall deadline and the CPU time inside
//! polls. Asked at every epoch tick, so that a guest that never returns is still stopped.

use crate::outcome::Reason;
use crate::telemetry::Exchange;
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

thread_local! {
    /// What this thread's CPU clock said when its last poll ended, if nothing long was done since: the next one begins
    /// there. To read that clock is a system call.
    static ENDED_NS: Cell<Option<u64>> = const { Cell::new(None) };
}

/// What a request may still use. Shared by the job that polls the guest and the guest's store.
#[derive(Debug)]
pub struct Budget {
    /// When the request must have ended; every other timeout derives from it.
    pub deadline: Instant,
    cpu_max_ns: u64,
    /// The thread's CPU clock when the current poll began.
    poll_began_ns: AtomicU64,
    ticked: AtomicBool,
    demoted: AtomicBool,
    stopped: AtomicBool,
    returned: AtomicBool,
    exchange: Arc<Exchange>,
}

impl Budget {
    /// A budget that starts now.
    pub fn new(timeout: Duration, cpu_time: Duration, exchange: Arc<Exchange>) -> Self {
        Self {
            deadline: Instant::now() + timeout,
            cpu_max_ns: u64::try_from(cpu_time.as_nanos()).unwrap_or(u64::MAX),
            poll_began_ns: AtomicU64::new(0),
            ticked: AtomicBool::new(false),
            demoted: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            returned: AtomicBool::new(false),
            exchange,
        }
    }

    /// Marks the start of a poll on this thread.
    pub fn begin_poll(&self) {
        self.ticked.store(false, Relaxed);
        self.poll_began_ns.store(ENDED_NS.take().unwrap_or_else(thread_cpu_ns), Relaxed);
    }

    /// Marks the end of a poll on the same thread and books its CPU time.
    pub fn end_poll(&self) {
        let now_ns = thread_cpu_ns();
        ENDED_NS.set(Some(now_ns));
        self.exchange.polled(now_ns.saturating_sub(self.poll_began_ns.load(Relaxed)));
    }

    /// This thread has done something between two polls that the next guest is not to pay for.
    pub fn between_polls() {
        ENDED_NS.set(None);
    }

    /// Which budget is spent, if one is. To be asked on the thread that polls, between
    /// [`Self::begin_poll`] and [`Self::end_poll`].
    pub fn spent(&self) -> Option<Reason> {
        if Instant::now() >= self.deadline {
            Some(Reason::GuestTimeout)
        } else if self.exchange.cpu_ns() + self.poll_cpu_ns() >= self.cpu_max_ns {
            Some(Reason::CpuLimit)
        } else {
            None
        }
    }

    /// The same for a request that is polled by a job of others, which has booked what it has used.
    pub(super) fn spent_by_now(&self) -> Option<Reason> {
        if Instant::now() >= self.deadline {
            Some(Reason::GuestTimeout)
        } else if self.exchange.cpu_ns() >= self.cpu_max_ns {
            Some(Reason::CpuLimit)
        } else {
            None
        }
    }

    /// The guest was interrupted: its slice is over.
    pub(super) fn tick(&self) {
        self.ticked.store(true, Relaxed);
    }

    /// Whether the slice of the current poll is over.
    pub(super) fn ticked(&self) -> bool {
        self.ticked.load(Relaxed)
    }

    /// From now on threads of a low priority poll the guest.
    pub fn demote(&self) {
        self.demoted.store(true, Relaxed);
    }

    /// Whether threads of a low priority poll the guest.
    pub(super) fn demoted(&self) -> bool {
        self.demoted.load(Relaxed)
    }

    /// The guest is not to be polled again.
    pub fn stop(&self) {
        self.stopped.store(true, Relaxed);
    }

    /// Whether the guest is not to be polled again, because a budget is spent.
    pub fn stopped(&self) -> bool {
        self.stopped.load(Relaxed)
    }

    /// The guest has returned; what is left is to take its instance down.
    pub fn finish(&self) {
        self.returned.store(true, Relaxed);
    }

    /// Whether the guest computes no more.
    pub fn ending(&self) -> bool {
        self.stopped() || self.returned.load(Relaxed)
    }

    /// CPU time of the current poll. To be asked on the thread that polls.
    pub(super) fn poll_cpu_ns(&self) -> u64 {
        thread_cpu_ns().saturating_sub(self.poll_began_ns.load(Relaxed))
    }
}

/// This thread's CPU clock: unlike wall time it does not count the time that the thread was not
/// given a core, so a busy machine does not use up a guest's budget.
fn thread_cpu_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let (seconds, nanoseconds) =
        (u64::try_from(time.tv_sec).unwrap_or(0), u64::try_from(time.tv_nsec).unwrap_or(0));
    seconds * 1_000_000_000 + nanoseconds
}

/// Takes this much of the calling thread's CPU time.
#[cfg(test)]
pub(crate) fn burn(time: Duration) {
    let begun_ns = thread_cpu_ns();
    while u128::from(thread_cpu_ns() - begun_ns) < time.as_nanos() {
        std::hint::spin_loop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passed_deadline_is_spent_and_a_coming_one_is_not() {
        let hour = Duration::from_secs(3600);
        let passed = Budget::new(Duration::ZERO, hour, Exchange::sample());
        passed.begin_poll();
        assert_eq!(passed.spent(), Some(Reason::GuestTimeout));
        let coming = Budget::new(hour, hour, Exchange::sample());
        coming.begin_poll();
        assert_eq!(coming.spent(), None);
    }

    #[test]
    fn cpu_time_is_counted_inside_polls_and_waiting_is_not() {
        let hour = Duration::from_secs(3600);
        let exchange = Exchange::sample();
        let budget = Budget::new(hour, Duration::from_millis(5), exchange.clone());
        budget.begin_poll();
        let waited = std::sync::mpsc::channel::<()>().1.recv_timeout(Duration::from_millis(20));
        assert!(waited.is_err());
        assert_eq!(budget.spent(), None, "waiting is not CPU time");
        while budget.spent().is_none() {
            std::hint::spin_loop();
        }
        assert_eq!(budget.spent(), Some(Reason::CpuLimit));
        budget.end_poll();
        assert!(exchange.cpu_ns() >= 5_000_000);
    }

    #[test]
    fn a_poll_begins_where_the_last_one_on_its_thread_ended_unless_something_was_in_between() {
        let hour = Duration::from_secs(3600);
        let poll = || {
            let exchange = Exchange::sample();
            let budget = Budget::new(hour, hour, exchange.clone());
            budget.begin_poll();
            budget.end_poll();
            Duration::from_nanos(exchange.cpu_ns())
        };
        let long = Duration::from_millis(20);
        poll();
        burn(long);
        assert!(poll() >= long, "the clock is not read again");
        burn(long);
        Budget::between_polls();
        assert!(poll() < long);
    }
}
