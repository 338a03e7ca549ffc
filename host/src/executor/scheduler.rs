//! Which queue a job waits in, and in what order: the one place that decides.

use super::class::{Class, Thresholds};
use super::crowd::Crowd;
use super::job::Runnable;
use super::place::Place;
use super::run_queue::RunQueue;
use super::sync::thread_local;
use crate::sandbox::Budget;
use std::cell::Cell;
use std::num::NonZeroU32;
use std::sync::{Arc, OnceLock};

/// With one class for all, a job that has used a millisecond of CPU lets those pass that came in the
/// next four.
const RANK_PER_CPU: u64 = 4;
/// Where a job goes that is to end.
const FRONT: (Class, u64) = (Class::Fresh, 0);

/// A clock that only goes forward, in nanoseconds.
pub(super) type Clock = fn() -> u64;

thread_local! {
    /// The class and shard of an executor thread.
    static SEAT: Cell<Option<(Class, usize)>> = const { Cell::new(None) };
}

/// The queues of all classes.
#[derive(Debug)]
pub(super) struct Scheduler {
    queues: [RunQueue; 3],
    thresholds: Thresholds,
    crowd: Crowd,
    /// Set once the kernel has refused a priority: every job is `fresh` then, and ordered by what it
    /// has used.
    flat: OnceLock<()>,
    clock: Clock,
}

impl Scheduler {
    pub(super) fn new(threads: NonZeroU32, thresholds: Thresholds, clock: Clock) -> Self {
        let queues = Class::ALL.map(|_| RunQueue::new(threads));
        Self { queues, thresholds, crowd: Crowd::new(threads), flat: OnceLock::new(), clock }
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
        // Whoever ends a job looks for it in its place. If the end came while it was being queued, it
        // was looked for in vain, and it is for this side to see. At the front it need not be seen.
        let cancellation = ((class, rank) != FRONT).then(|| job.metadata().clone());
        let place = self.push(job, class, rank);
        if cancellation.is_some_and(|context| context.cancelled())
            && let Some(job) = place.take()
        {
            self.hasten(job);
        }
    }

    /// Queues a job that is to end where it does not wait for threads of a low class.
    pub(super) fn hasten(&self, job: Runnable) {
        let (class, rank) = FRONT;
        self.push(job, class, rank);
    }

    fn push(&self, job: Runnable, class: Class, rank: u64) -> Arc<Place> {
        let (queue, seat) = (&self.queues[class.index()], SEAT.with(Cell::get));
        job.metadata().progress.queued(class);
        let near = seat.filter(|&(mine, _)| mine == class).map(|(_, shard)| shard);
        let place = queue.push(job, rank, near);
        // Woken after the shutdown, a job ends here: nobody would take it any more. What the threads
        // of the executor queue is cleared away after them.
        if seat.is_none() && queue.closed() {
            queue.clear();
        }
        place
    }

    /// Makes the calling thread the one of this class and shard.
    pub(super) fn sit(&self, class: Class, shard: usize) {
        SEAT.with(|seat| seat.set(Some((class, shard))));
        self.queues[class.index()].sit(shard);
    }

    /// Takes the next job for a thread; none once the scheduler is closed.
    pub(super) fn next(&self, class: Class, shard: usize) -> Option<Runnable> {
        let queue = &self.queues[class.index()];
        if !queue.closed()
            && let Some(job) = queue.take(shard)
        {
            return Some(job);
        }
        let job = queue.pop(shard);
        // It was waited for, and that is no guest's doing.
        Budget::between_polls();
        job
    }

    /// Makes the calling thread none of the executor's again.
    #[cfg(test)]
    pub(super) fn leave() {
        SEAT.with(|seat| seat.set(None));
    }

    /// The queue of a class.
    #[cfg(test)]
    pub(super) fn queue(&self, class: Class) -> &RunQueue {
        &self.queues[class.index()]
    }

    /// The class of the calling thread; none outside the executor.
    #[cfg(test)]
    pub(super) fn class_here() -> Option<Class> {
        SEAT.with(Cell::get).map(|(class, _)| class)
    }

    /// Whether the kernel may stop the calling thread for long.
    pub(super) fn low_class_here() -> bool {
        SEAT.with(Cell::get).is_some_and(|(class, _)| class != Class::Fresh)
    }

    /// Whether a thread of normal priority has nothing to do.
    pub(super) fn has_time(&self) -> bool {
        self.queues[Class::Fresh.index()].has_time()
    }

    /// Whether every thread of normal priority has nothing to do.
    pub(super) fn rests(&self) -> bool {
        self.queues[Class::Fresh.index()].idle()
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
            return FRONT;
        }
        let cpu_ns = context.cpu_ns();
        if self.flat.get().is_some() {
            return (Class::Fresh, (self.clock)().saturating_add(cpu_ns.saturating_mul(RANK_PER_CPU)));
        }
        // A shared instance gives CPU time up with the requests that leave it: its job may move up again.
        let only_down = !context.exchange.is_aside();
        if only_down && context.lowest.is_last() {
            return (Class::Hog, 0);
        }
        let class = self.thresholds.class(cpu_ns, |alone| {
            let busy = &self.queues[Class::Busy.index()];
            if busy.idle() {
                self.crowd.disperse();
            }
            self.crowd.share(busy.waiting() + 1, alone)
        });
        (if only_down { context.lowest.lower(class) } else { class }, 0)
    }
}

/// The clock of the system.
pub(super) fn monotonic_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let (seconds, nanoseconds) =
        (u64::try_from(time.tv_sec).unwrap_or(0), u64::try_from(time.tv_nsec).unwrap_or(0));
    seconds * 1_000_000_000 + nanoseconds
}
