//! The run queue of one class: where jobs that are ready wait for a thread of the class.
//!
//! One shard for each thread, so that no lock is taken by all of them. Jobs arrive in a shard's
//! lock-free inbox; its own thread sorts them into turns, and a thread without work takes from the
//! others' shards. What a thread of another class does here, to queue a job and to wake a sleeper,
//! takes no lock: a thread of a low class that the kernel stops in the middle holds up nobody.

use super::job::Runnable;
use super::place::Place;
use super::turns::{HandlerKey, Turns};
use arc_swap::ArcSwapOption;
use crossbeam_queue::SegQueue;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicIsize, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::Thread;

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
    inbox: SegQueue<Arrival>,
    turns: Mutex<Turns<Arc<Place>>>,
    /// Places in inbox and turns; below zero for a moment while one that was not counted yet is taken.
    queued: AtomicIsize,
    /// Whether the shard's thread sleeps, or is about to.
    asleep: AtomicBool,
    /// Whoever takes from this shard first; another if that one died.
    thread: ArcSwapOption<Thread>,
}

#[derive(Debug)]
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
        let index = near.unwrap_or_else(|| self.next_shard.fetch_add(1, Relaxed) % self.shards.len());
        let shard = &self.shards[index];
        let place = Place::new(job);
        shard.inbox.push(Arrival { handler, rank, place: place.clone() });
        // Counted once it is there: if this thread is stopped in between, nobody looks for it in vain.
        let before = shard.queued.fetch_add(1, SeqCst);
        // A thread that queues its own job again takes it next; waking another would only move it.
        if near.is_none() || before > 0 {
            self.wake_one(index);
        }
        place
    }

    /// Makes the calling thread the one of shard `me`.
    pub(super) fn sit(&self, me: usize) {
        self.shards[me].thread.store(Some(Arc::new(std::thread::current())));
    }

    /// Takes the next job for the thread of shard `me`, waiting for one; none once the queue is closed.
    pub(super) fn pop(&self, me: usize) -> Option<Runnable> {
        while !self.closed.load(SeqCst) {
            if let Some(job) = self.take(me) {
                return Some(job);
            }
            self.sleep(me);
        }
        None
    }

    /// Sends every thread home and drops what is queued.
    pub(super) fn close(&self) {
        self.closed.store(true, SeqCst);
        for shard in &self.shards {
            if let Some(thread) = &*shard.thread.load() {
                thread.unpark();
            }
        }
    }

    /// Drops what is queued; only once no thread takes jobs any more.
    pub(super) fn clear(&self) {
        for me in 0..self.shards.len() {
            while let Some(job) = self.take(me) {
                drop(job);
            }
        }
    }

    fn take(&self, me: usize) -> Option<Runnable> {
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
        while let Some(Arrival { handler, rank, place }) = shard.inbox.pop() {
            turns.push(handler, rank, place);
        }
        while let Some(place) = turns.pop() {
            shard.queued.fetch_sub(1, SeqCst);
            // An empty place is one whose job was taken out of turn.
            if let Some(job) = place.take() {
                return Some(job);
            }
        }
        None
    }

    /// Either the thread sees the job that was queued, or who queued it sees the thread asleep.
    fn sleep(&self, me: usize) {
        let shard = &self.shards[me];
        self.sleeping.fetch_add(1, SeqCst);
        shard.asleep.store(true, SeqCst);
        let idle = self.shards.iter().all(|shard| shard.queued.load(SeqCst) <= 0);
        if idle && !self.closed.load(SeqCst) {
            std::thread::park();
        } else {
            // The work is in a shard that another thread is in; it may need our core to leave it.
            std::thread::yield_now();
        }
        if shard.asleep.swap(false, SeqCst) {
            self.sleeping.fetch_sub(1, SeqCst);
        }
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
