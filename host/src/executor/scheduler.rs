//! Which queue a job waits in, and in what order: the one place that decides.

use super::class::{Class, Thresholds};
use super::job::Runnable;
use super::run_queue::RunQueue;
use std::cell::Cell;
use std::num::NonZeroU32;
use std::sync::OnceLock;
use std::time::Instant;

/// With one class for all, a job that has used a millisecond of CPU lets those pass that came in the
/// next four.
const RANK_PER_CPU: u64 = 4;

thread_local! {
    /// The class and shard of an executor thread.
    static SEAT: Cell<Option<(Class, usize)>> = const { Cell::new(None) };
}

/// The queues of all classes.
#[derive(Debug)]
pub(super) struct Scheduler {
    queues: [RunQueue; 3],
    thresholds: Thresholds,
    /// Set once the kernel has refused a priority: every job is `fresh` then, and ordered by what it
    /// has used.
    flat: OnceLock<()>,
    started: Instant,
}

impl Scheduler {
    pub(super) fn new(threads: NonZeroU32, thresholds: Thresholds) -> Self {
        let queues = Class::ALL.map(|_| RunQueue::new(threads));
        Self { queues, thresholds, flat: OnceLock::new(), started: Instant::now() }
    }

    /// Gives up classes: without priorities of their own their threads would only compete.
    pub(super) fn flatten(&self) -> bool {
        self.flat.set(()).is_ok()
    }

    /// Queues a job that is ready.
    pub(super) fn schedule(&self, job: Runnable) {
        let (class, rank) = self.place(&job);
        if class != Class::Fresh {
            job.metadata().demoted();
        }
        let near = SEAT.get().filter(|&(mine, _)| mine == class).map(|(_, shard)| shard);
        let place = self.queues[class.index()].push(job, rank, near);
        // Whoever ends a job looks for it in its place. If the end came while it was being queued,
        // it was looked for in vain, and it is for this side to see.
        if class != Class::Fresh
            && let Some(job) = place.take_ending()
        {
            self.hasten(job);
        }
    }

    /// Queues a job that is to end where it does not wait for threads of a low class.
    pub(super) fn hasten(&self, job: Runnable) {
        self.queues[Class::Fresh.index()].push(job, 0, None);
    }

    /// Makes the calling thread the one of this class and shard.
    pub(super) fn sit(&self, class: Class, shard: usize) {
        SEAT.set(Some((class, shard)));
        self.queues[class.index()].sit(shard);
    }

    /// Takes the next job for a thread; none once the scheduler is closed.
    pub(super) fn next(&self, class: Class, shard: usize) -> Option<Runnable> {
        self.queues[class.index()].pop(shard)
    }

    /// Sends every thread home.
    pub(super) fn close(&self) {
        self.queues.iter().for_each(RunQueue::close);
    }

    /// Drops what is queued; only once no thread takes jobs any more.
    pub(super) fn clear(&self) {
        self.queues.iter().for_each(RunQueue::clear);
    }

    fn place(&self, job: &Runnable) -> (Class, u64) {
        let context = job.metadata();
        if context.ending() {
            return (Class::Fresh, 0);
        }
        let cpu_ns = context.cpu_ns();
        if self.flat.get().is_some() {
            let now_ns = u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX);
            return (Class::Fresh, now_ns.saturating_add(cpu_ns.saturating_mul(RANK_PER_CPU)));
        }
        (self.thresholds.class(cpu_ns), 0)
    }
}
