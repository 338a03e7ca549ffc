//! The instances of one handler that wait for a request: used before and to be used again, or made ahead.
//!
//! Its lock is held for one push or pop, by threads of normal priority only: an instance is taken when a
//! request begins, and put back where it would be taken down.

use super::handler::Handler;
use super::instance::Instance;
use super::room::Room;
use super::session::Session;
use crate::config::Reuse;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// How long nothing is made ahead after that failed.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Bounded by the places in the room.
pub(super) struct Shelf {
    /// Those that served somebody are at the back, the last one that did last: its memory is warm.
    waiting: Mutex<VecDeque<Waiting>>,
    /// When to try again to make one ahead, after that failed.
    retry_at: Mutex<Option<Instant>>,
    /// Instances that are being made ahead.
    coming: AtomicU32,
    pub(super) reuse: Reuse,
    /// Whom they work for meanwhile: nobody.
    resting: Session,
    /// Gone when the handler is not served any more.
    handler: Weak<Handler>,
}

struct Waiting {
    instance: Instance,
    since: Instant,
}

impl Shelf {
    /// An empty shelf of `handler`.
    pub(super) fn new(reuse: Reuse, resting: Session, handler: Weak<Handler>) -> Self {
        let (waiting, retry_at) = (Mutex::default(), Mutex::default());
        Self { waiting, retry_at, coming: AtomicU32::new(0), reuse, resting, handler }
    }

    /// Takes an instance, which works for `session` from now on.
    pub(super) fn take(&self, handler: &Handler, session: &Session) -> Option<Instance> {
        let now = Instant::now();
        loop {
            let Waiting { mut instance, since } = self.lock().pop_back()?;
            // One that nobody has looked at yet may be too old.
            if !instance.stale(since, now, &self.reuse) && instance.begin(handler, session.clone()).is_ok() {
                return Some(instance);
            }
        }
    }

    /// Keeps an instance for the next request if it is fit for one. Returns it otherwise.
    pub(super) fn put(&self, handler: &Handler, mut instance: Instance) -> Option<Instance> {
        if !instance.fit(handler) {
            return Some(instance);
        }
        instance.rest(self.resting.clone());
        let unused = instance.unused();
        let waiting = Waiting { instance, since: Instant::now() };
        let mut shelf = self.lock();
        match unused {
            true => shelf.push_front(waiting),
            false => shelf.push_back(waiting),
        }
        None
    }

    /// Drops the instance that waits longest; false if there is none.
    pub(super) fn evict(&self) -> bool {
        let evicted = self.lock().pop_front();
        evicted.is_some()
    }

    /// Whether the handler is not there any more, so that nobody asks for what waits here.
    pub(super) fn orphaned(&self) -> bool {
        self.handler.strong_count() == 0
    }

    /// Drops those that have waited for too long, and all of them once the handler is gone.
    pub(super) fn sweep(&self, now: Instant) {
        let gone = self.orphaned();
        let mut shelf = self.lock();
        let all = std::mem::take(&mut *shelf);
        let (stale, fresh): (VecDeque<_>, VecDeque<_>) = all
            .into_iter()
            .partition(|waiting| gone || waiting.instance.stale(waiting.since, now, &self.reuse));
        *shelf = fresh;
        // Their memory goes back to the pool without anybody waiting for it.
        drop(shelf);
        drop(stale);
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.lock().len() as u64
    }

    /// Whether half of what is made ahead is gone. Whoever looks after it fills it up then: to call that thread after
    /// every request would disturb every other one.
    pub(super) fn runs_low(&self) -> bool {
        self.reuse.warm > 0 && self.count() <= u64::from(self.reuse.warm / 2)
    }

    /// How many instances are to be made ahead, beside those that are being made.
    pub(super) fn missing(&self, now: Instant) -> u32 {
        let retry_at = *self.retry_at.lock().unwrap_or_else(PoisonError::into_inner);
        if retry_at.is_some_and(|at| now < at) {
            return 0;
        }
        let unused = self.lock().iter().filter(|waiting| waiting.instance.unused()).count();
        let there = u32::try_from(unused).unwrap_or(u32::MAX).saturating_add(self.coming.load(SeqCst));
        self.reuse.warm.saturating_sub(there)
    }

    /// An instance could not be made ahead: the next one is made later.
    fn put_off(&self) {
        let at = Instant::now() + RETRY_AFTER;
        *self.retry_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(at);
    }

    /// The handler, while it is served.
    pub(super) fn handler(&self) -> Option<Arc<Handler>> {
        self.handler.upgrade()
    }

    /// One more is being made, for as long as the answer lives.
    pub(super) fn expect_one(self: &Arc<Self>, room: &Arc<Room>) -> Coming {
        self.coming.fetch_add(1, SeqCst);
        Coming { shelf: self.clone(), room: room.clone(), made: false }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An instance that is being made ahead.
pub(super) struct Coming {
    pub(super) shelf: Arc<Shelf>,
    room: Arc<Room>,
    made: bool,
}

impl Coming {
    /// It is there.
    pub(super) fn made(&mut self) {
        self.made = true;
    }
}

impl Drop for Coming {
    fn drop(&mut self) {
        // Whatever kept it from being made does so again at once: a start that loops is buried without a word.
        if !self.made {
            self.shelf.put_off();
        }
        self.shelf.coming.fetch_sub(1, SeqCst);
        // The keeper looks whether another one is missing.
        self.room.nudge();
    }
}
