//! How many compilations run at once: each takes memory beside what is served, so the others wait.

use std::sync::{Condvar, Mutex, PoisonError};

/// Places for compilations. Who waits for one is a thread that loads a handler, and each place comes back
/// within the time that a compilation may take.
#[derive(Debug)]
pub(super) struct Jobs {
    free: Mutex<u32>,
    freed: Condvar,
}

/// A place, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place<'a>(&'a Jobs);

impl Jobs {
    pub(super) fn new(places: u32) -> Self {
        Self { free: Mutex::new(places), freed: Condvar::new() }
    }

    /// Waits for a place.
    pub(super) fn wait(&self) -> Place<'_> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = self.freed.wait_while(free, |free| *free == 0).unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        Place(self)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

    #[test]
    fn no_more_than_there_are_places_have_one_and_everybody_gets_one() {
        let (jobs, now, most, done) = (Jobs::new(2), AtomicU32::new(0), AtomicU32::new(0), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        let _place = jobs.wait();
                        most.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
                        std::thread::yield_now();
                        now.fetch_sub(1, SeqCst);
                        done.fetch_add(1, SeqCst);
                    }
                });
            }
        });
        assert_eq!((done.into_inner(), now.into_inner()), (800, 0));
        assert!((1..=2).contains(&most.into_inner()));
    }
}
