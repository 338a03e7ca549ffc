//! The room for instances: every one that lives has a place in it, whether it serves somebody or waits for
//! its next request. Whoever has a permit gets a place: one that waits gives way.

use super::shelf::Shelf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;
use std::time::Instant;

/// The places of all handlers.
pub(super) struct Room {
    places: u32,
    taken: AtomicU32,
    /// Of the handlers whose instances wait for requests.
    shelves: Mutex<Vec<Arc<Shelf>>>,
    /// Who looks after them, and whether it wants to be told.
    keeper: OnceLock<Thread>,
    listening: AtomicBool,
}

/// An instance's place; given back when it is dropped.
pub(super) struct Place(Arc<Room>);

impl Room {
    /// A room with this many places: as many instances as may be alive at once.
    pub(super) fn new(places: u32) -> Arc<Self> {
        Arc::new(Self {
            places,
            taken: AtomicU32::new(0),
            shelves: Mutex::default(),
            keeper: OnceLock::new(),
            listening: AtomicBool::new(false),
        })
    }

    /// Takes a place, if one is free.
    pub(super) fn enter(self: &Arc<Self>) -> Option<Place> {
        let more = |taken: u32| (taken < self.places).then_some(taken + 1);
        self.taken.fetch_update(SeqCst, SeqCst, more).ok().map(|_| Place(self.clone()))
    }

    /// Takes a place for an instance that nobody needs yet: half of them are left to those who do.
    pub(super) fn enter_ahead(self: &Arc<Self>) -> Option<Place> {
        let more = |taken: u32| (taken < self.places / 2).then_some(taken + 1);
        self.taken.fetch_update(SeqCst, SeqCst, more).ok().map(|_| Place(self.clone()))
    }

    /// Drops an instance that waits for a request, the one of some handler that waits longest; false if there
    /// is none.
    pub(super) fn evict(&self) -> bool {
        self.shelves().iter().any(|shelf| shelf.evict())
    }

    /// Counts the instances of `shelf` among those that give way, and has it looked after.
    pub(super) fn register(&self, shelf: &Arc<Shelf>) {
        self.lock().push(shelf.clone());
        self.nudge();
    }

    /// The shelves of all handlers that keep instances.
    pub(super) fn shelves(&self) -> Vec<Arc<Shelf>> {
        self.lock().clone()
    }

    /// Drops what has waited for too long, and what waits for a handler that is gone: here, where nobody waits for
    /// that, and not where the last request of such a handler ends.
    pub(super) fn sweep(&self, now: Instant) {
        for shelf in self.shelves() {
            shelf.sweep(now);
        }
        self.lock().retain(|shelf| !shelf.orphaned());
    }

    /// Makes the calling thread the one that is told when there is something to look after.
    pub(super) fn keep(&self) {
        let _ = self.keeper.set(std::thread::current());
    }

    /// Whether the keeper is to be told from now on, once.
    pub(super) fn listen(&self, listening: bool) {
        self.listening.store(listening, SeqCst);
    }

    /// Tells the keeper that there is something to look after, if it listens.
    pub(super) fn nudge(&self) {
        if self.listening.load(SeqCst)
            && self.listening.swap(false, SeqCst)
            && let Some(keeper) = self.keeper.get()
        {
            keeper.unpark();
        }
    }

    /// Held for a look or an insertion.
    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Shelf>>> {
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_given_once_and_comes_back() {
        let room = Room::new(4);
        let mut held: Vec<_> = (0..4).map_while(|_| room.enter()).collect();
        assert_eq!(held.len(), 4);
        assert!(room.enter().is_none() && !room.evict());
        held.pop();
        assert!(room.enter().is_some());
    }

    #[test]
    fn instances_made_ahead_leave_half_of_the_room() {
        let room = Room::new(4);
        let ahead: Vec<_> = (0..4).map_while(|_| room.enter_ahead()).collect();
        assert_eq!(ahead.len(), 2);
        let needed: Vec<_> = (0..4).map_while(|_| room.enter()).collect();
        assert_eq!(needed.len(), 2);
    }
}
