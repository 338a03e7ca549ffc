//! The live jobs by number: what somebody who looks after the host may see of them, and end.
//!
//! A job is listed before it is first queued and struck off when its guest is gone, which is on a
//! thread of normal priority. No lock here is held for longer than one insertion, one removal or the
//! copy of one shard, and never by a thread of a low class.

use super::class::Class;
use super::handle;
use super::job::JobContext;
use super::progress::JobState;
use super::scheduler::Scheduler;
use crate::outcome::Reason;
use crate::telemetry::Exchange;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

/// Shards of the table: enough that threads seldom meet.
const SHARDS: usize = 64;

type Shard = HashMap<u64, Listed>;

/// Every live job. Bounded by the permits for instances.
#[derive(Debug)]
pub(super) struct JobTable {
    next: AtomicU64,
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Clone, Debug)]
struct Listed {
    context: Arc<JobContext>,
    waker: Waker,
}

/// A job's number; strikes the job off when it is dropped.
#[derive(Debug)]
pub(super) struct JobNumber {
    number: u64,
    table: Arc<JobTable>,
}

/// A look at one live job. Its figures are those of the moment they are asked for.
#[derive(Clone, Debug)]
pub struct LiveJob {
    number: u64,
    context: Arc<JobContext>,
}

impl Default for JobTable {
    fn default() -> Self {
        Self { next: AtomicU64::new(1), shards: std::array::from_fn(|_| Mutex::default()) }
    }
}

impl JobTable {
    /// A number that no other job of this host has.
    pub(super) fn number(self: &Arc<Self>) -> JobNumber {
        JobNumber { number: self.next.fetch_add(1, Relaxed), table: self.clone() }
    }

    /// How many numbers were given.
    pub(super) fn numbered(&self) -> u64 {
        self.next.load(Relaxed)
    }

    /// Lists a job under its number. To be called before the job is first scheduled: once it runs, it
    /// may strike itself off.
    pub(super) fn list(&self, number: u64, context: Arc<JobContext>, waker: Waker) {
        self.shard(number).insert(number, Listed { context, waker });
    }

    /// Copies the table, a shard at each step.
    pub(super) fn live(&self) -> impl Iterator<Item = Vec<LiveJob>> + Send + '_ {
        self.shards.iter().map(|shard| {
            let live =
                |(&number, listed): (&u64, &Listed)| LiveJob { number, context: listed.context.clone() };
            lock(shard).iter().map(live).collect()
        })
    }

    /// How many jobs there are in each class.
    pub(super) fn count_by_class(&self) -> [(&'static str, u64); 3] {
        let mut counts = Class::ALL.map(|class| (class.name(), 0));
        for shard in &self.shards {
            for listed in lock(shard).values() {
                counts[listed.context.progress.class().index()].1 += 1;
            }
        }
        counts
    }

    /// Ends the job of this number; none if there is no such job.
    pub(super) fn kill(&self, number: u64, scheduler: &Scheduler) -> Option<LiveJob> {
        let Listed { context, waker } = self.shard(number).get(&number)?.clone();
        // Recorded before the guest goes: whoever sees the ends of head and body close asks why.
        context.exchange.fail(Reason::Killed);
        context.exchange.ended_after_answer(Reason::Killed);
        handle::end(&context, &waker, scheduler);
        context.ring_killed();
        Some(LiveJob { number, context })
    }

    fn shard(&self, number: u64) -> MutexGuard<'_, Shard> {
        let shard = number % SHARDS as u64;
        lock(&self.shards[usize::try_from(shard).expect("shards: there are few")])
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl JobNumber {
    pub(super) fn get(&self) -> u64 {
        self.number
    }
}

impl Drop for JobNumber {
    fn drop(&mut self) {
        let listed = self.table.shard(self.number).remove(&self.number);
        // After the lock is gone: it may hold the last reference to the request's record.
        drop(listed);
    }
}

impl LiveJob {
    /// Its number, unique in this process.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The record of its request.
    pub fn exchange(&self) -> &Exchange {
        &self.context.exchange
    }

    /// The name of its class.
    pub fn class(&self) -> &'static str {
        self.context.progress.class().name()
    }

    /// What it does.
    pub fn state(&self) -> JobState {
        self.context.progress.state()
    }

    /// How long it may still take.
    pub fn time_left(&self) -> Duration {
        self.context.deadline().saturating_duration_since(Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::super::class::Thresholds;
    use super::super::scheduler::monotonic_ns;
    use super::*;
    use crate::outcome::Outcome;
    use crate::sandbox::Budget;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::num::NonZeroU32;

    fn context() -> Arc<JobContext> {
        let exchange = Exchange::sample();
        let hour = Duration::from_secs(3600);
        JobContext::new(0, Arc::new(Budget::new(hour, hour, exchange.clone())), exchange)
    }

    fn list(table: &Arc<JobTable>) -> JobNumber {
        let number = table.number();
        table.list(number.get(), context(), Waker::noop().clone());
        number
    }

    fn live(table: &JobTable) -> BTreeSet<u64> {
        table.live().flatten().map(|job| job.number()).collect()
    }

    fn scheduler() -> Scheduler {
        Scheduler::new(NonZeroU32::MIN, Thresholds::new(Duration::ZERO, Duration::ZERO), monotonic_ns)
    }

    #[test]
    fn killed_job_is_cancelled_rung_for_and_recorded() {
        let (table, scheduler) = (Arc::<JobTable>::default(), scheduler());
        let number = list(&table);
        let job = table.kill(number.get(), &scheduler).expect("a listed job");
        assert_eq!(job.exchange().failure(), Some(Reason::Killed));
        assert!(job.context.cancelled());
        assert!(poll_once(job.context.killed()).is_some(), "a waiter hears of it, also a late one");
        drop(number);
        assert!(table.kill(job.number(), &scheduler).is_none());
    }

    #[test]
    fn the_answer_of_a_job_killed_after_it_stands() {
        let (table, scheduler) = (Arc::<JobTable>::default(), scheduler());
        let number = list(&table);
        let job = table.live().flatten().next().expect("one");
        job.exchange().end(Outcome::Answered);
        table.kill(number.get(), &scheduler).expect("a listed job");
        assert_eq!(job.exchange().outcome(), Some(Outcome::Answered));
    }

    fn poll_once<T>(future: impl Future<Output = T>) -> Option<T> {
        let mut future = std::pin::pin!(future);
        match future.as_mut().poll(&mut std::task::Context::from_waker(Waker::noop())) {
            std::task::Poll::Ready(value) => Some(value),
            std::task::Poll::Pending => None,
        }
    }

    #[test]
    fn numbers_are_unique_among_threads_and_nothing_is_left() {
        let table = Arc::<JobTable>::default();
        let numbers: Vec<u64> = std::thread::scope(|scope| {
            let work = || {
                let mut seen = Vec::new();
                for _ in 0..200 {
                    let number = list(&table);
                    assert!(live(&table).contains(&number.get()));
                    seen.push(number.get());
                }
                seen
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
            threads.into_iter().flat_map(|thread| thread.join().expect("a worker")).collect()
        });
        assert_eq!(numbers.iter().collect::<BTreeSet<_>>().len(), 800);
        assert!(live(&table).is_empty());
        assert_eq!(table.count_by_class().map(|(_, count)| count), [0; 3]);
    }

    proptest! {
        #[test]
        fn the_table_holds_what_was_listed_and_not_struck_off(steps: Vec<Option<prop::sample::Index>>) {
            let table = Arc::<JobTable>::default();
            let mut held: Vec<JobNumber> = Vec::new();
            for step in steps {
                match step {
                    Some(which) if !held.is_empty() => drop(held.swap_remove(which.index(held.len()))),
                    Some(_) | None => held.push(list(&table)),
                }
                let expected: BTreeSet<u64> = held.iter().map(JobNumber::get).collect();
                prop_assert_eq!(live(&table), expected);
                let counted: u64 = table.count_by_class().iter().map(|(_, count)| count).sum();
                prop_assert_eq!(counted, held.len() as u64);
            }
        }
    }
}
