//! The run queue of one class: where jobs that are ready wait for a thread of the class.
//!
//! One shard for each thread, so that no lock is taken by all of them. Jobs arrive in a shard's inbox;
//! its own thread sorts them into turns, and a thread without work takes from the others' shards. What a thread of another class does here, to queue a job and to wake a sleeper,
//! takes no lock: a thread of a low class that the kernel stops in the middle holds up nobody.

use super::inbox::Inbox;
use super::job::Runnable;
use super::place::Place;
use super::sync::{
    ArcSwapOption, AtomicBool, AtomicIsize, AtomicUsize, Mutex, MutexGuard, Thread, current, park, yield_now,
};
use super::turns::{HandlerKey, Turns};
use std::num::NonZeroU32;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::{Arc, PoisonError};

/// Bounded by the number of live jobs, each of which has one place at most (a few more for a moment,
/// where jobs were taken out of turn).
#[derive(Debug)]
pub(super) struct RunQueue {
    shards: Box<[Shard]>,
    /// Where the next job from elsewhere goes.
    next_shard: AtomicUsize,
    sleeping: AtomicUsize,
    closed: AtomicBool,
}

#[derive(Debug, Default)]
struct Shard {
    inbox: Inbox<Arrival>,
    turns: Mutex<Turns<Arc<Place>>>,
    /// Places in inbox and turns; below zero for a moment while one that was not counted yet is taken.
    queued: AtomicIsize,
    /// Whether the shard's thread sleeps, or is about to.
    asleep: AtomicBool,
    /// Whoever takes from this shard first; another if that one died.
    thread: ArcSwapOption<Thread>,
}

#[derive(Clone, Debug)]
struct Arrival {
    handler: HandlerKey,
    rank: u64,
    place: Arc<Place>,
}

impl RunQueue {
    pub(super) fn new(threads: NonZeroU32) -> Self {
        Self {
            shards: (0..threads.get()).map(|_| Shard::default()).collect(),
            next_shard: AtomicUsize::new(0),
            sleeping: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
        }
    }

    /// Queues a job. `near` is the shard of the calling thread if it is one of this queue's.
    pub(super) fn push(&self, job: Runnable, rank: u64, near: Option<usize>) -> Arc<Place> {
        let handler = job.metadata().handler;
        let index = self.shard_for(near);
        let shard = &self.shards[index];
        let place = Place::new(job);
        shard.inbox.push(Arrival { handler, rank, place: place.clone() });
        // Counted once it is there: if this thread is stopped in between, nobody looks for it in vain.
        let before = shard.queued.fetch_add(1, SeqCst);
        // A thread that queues its own job again takes it next; waking another would only move it.
        if near != Some(index) || before > 0 {
            self.wake_one(index);
        }
        place
    }

    /// Jobs that wait, in all shards.
    pub(super) fn waiting(&self) -> u64 {
        self.shards.iter().map(|shard| u64::try_from(shard.queued.load(Relaxed)).unwrap_or(0)).sum()
    }

    /// Whether every thread sleeps.
    pub(super) fn idle(&self) -> bool {
        self.sleeping.load(SeqCst) == self.shards.len()
    }

    /// Whether a thread sleeps and no job waits for one.
    pub(super) fn has_time(&self) -> bool {
        self.sleeping.load(SeqCst) > 0 && self.waiting() == 0
    }

    /// Each shard in turn, or the caller's own. But a job behind which others wait there moves on to
    /// where fewest wait, else jobs in a short queue would be polled more often than those in a long one.
    fn shard_for(&self, near: Option<usize>) -> usize {
        let count = self.shards.len();
        let waiting = |shard: usize| self.shards[shard].queued.load(Relaxed);
        match near {
            None => self.next_shard.fetch_add(1, Relaxed) % count,
            Some(me) if waiting(me) <= 0 => me,
            // Its own comes last: where as many wait everywhere, jobs go round.
            Some(me) => {
                (1..=count).map(|step| (me + step) % count).min_by_key(|&shard| waiting(shard)).unwrap_or(me)
            }
        }
    }

    /// Makes the calling thread the one of shard `me`.
    pub(super) fn sit(&self, me: usize) {
        self.shards[me].thread.store(Some(Arc::new(current())));
    }

    /// Takes the next job for the thread of shard `me`, waiting for one; none once the queue is closed.
    pub(super) fn pop(&self, me: usize) -> Option<Runnable> {
        while !self.closed() {
            if let Some(job) = self.take(me) {
                return Some(job);
            }
            if self.doze(me) {
                park();
            } else {
                // The work is in a shard that another thread is in; it may need our core to leave it.
                yield_now();
            }
            self.rouse(me);
        }
        None
    }

    /// Sends every thread home.
    pub(super) fn close(&self) {
        self.closed.store(true, SeqCst);
        for shard in &self.shards {
            if let Some(thread) = &*shard.thread.load() {
                thread.unpark();
            }
        }
    }

    pub(super) fn closed(&self) -> bool {
        self.closed.load(SeqCst)
    }

    /// Drops what is queued; only once it is closed.
    pub(super) fn clear(&self) {
        for me in 0..self.shards.len() {
            while let Some(job) = self.take(me) {
                drop(job);
            }
        }
    }

    /// Takes the next job for the thread of shard `me`, if there is one.
    pub(super) fn take(&self, me: usize) -> Option<Runnable> {
        self.take_from(&self.shards[me], |turns| Some(turns.lock().unwrap_or_else(PoisonError::into_inner)))
            .or_else(|| {
                let others = (1..self.shards.len()).map(|step| &self.shards[(me + step) % self.shards.len()]);
                // A shard whose thread is at work in it, running or stopped, is left alone.
                others
                    .filter(|shard| shard.queued.load(SeqCst) > 0)
                    .find_map(|shard| self.take_from(shard, |turns| turns.try_lock().ok()))
            })
    }

    fn take_from<'a>(
        &self,
        shard: &'a Shard,
        lock: impl FnOnce(&'a Mutex<Turns<Arc<Place>>>) -> Option<MutexGuard<'a, Turns<Arc<Place>>>>,
    ) -> Option<Runnable> {
        let mut turns = lock(&shard.turns)?;
        shard.inbox.drain(|Arrival { handler, rank, place }| turns.push(handler, rank, place));
        while let Some(place) = turns.pop() {
            shard.queued.fetch_sub(1, SeqCst);
            // An empty place is one whose job was taken out of turn.
            if let Some(job) = place.take() {
                return Some(job);
            }
        }
        None
    }

    /// Announces that the thread of shard `me` goes to sleep; returns whether it may. Either it sees
    /// the job that was queued, or who queued it sees the thread asleep.
    pub(super) fn doze(&self, me: usize) -> bool {
        self.sleeping.fetch_add(1, SeqCst);
        self.shards[me].asleep.store(true, SeqCst);
        let idle = self.shards.iter().all(|shard| shard.queued.load(SeqCst) <= 0);
        idle && !self.closed()
    }

    /// The thread of shard `me` is up again, by itself or because it was woken.
    pub(super) fn rouse(&self, me: usize) {
        if self.shards[me].asleep.swap(false, SeqCst) {
            self.sleeping.fetch_sub(1, SeqCst);
        }
    }

    /// Whether the thread of shard `me` was not woken since it dozed off.
    #[cfg(test)]
    pub(super) fn dozes(&self, me: usize) -> bool {
        self.shards[me].asleep.load(SeqCst)
    }

    /// Places that are queued, the empty ones among them.
    #[cfg(test)]
    pub(super) fn queued(&self) -> isize {
        self.shards.iter().map(|shard| shard.queued.load(SeqCst)).sum()
    }

    /// Wakes the thread of shard `first` if it sleeps, else another that does.
    fn wake_one(&self, first: usize) {
        if self.sleeping.load(SeqCst) == 0 {
            return;
        }
        for step in 0..self.shards.len() {
            let shard = &self.shards[(first + step) % self.shards.len()];
            if shard.asleep.swap(false, SeqCst) {
                self.sleeping.fetch_sub(1, SeqCst);
                if let Some(thread) = &*shard.thread.load() {
                    thread.unpark();
                }
                return;
            }
        }
    }
}
