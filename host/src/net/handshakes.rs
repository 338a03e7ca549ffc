//! TLS handshakes that are under way: so many at once. Beyond that the oldest gives way, which is that of
//! a client that takes its time: silent ones can hold no place that another needs.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Those under way, the oldest in front.
#[derive(Debug)]
pub(super) struct Handshakes {
    count_max: usize,
    under_way: Mutex<VecDeque<Arc<Notify>>>,
}

/// One handshake's place, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place<'a> {
    handshakes: &'a Handshakes,
    taken: Arc<Notify>,
}

impl Handshakes {
    pub(super) fn new(count_max: u32) -> Self {
        Self { count_max: count_max as usize, under_way: Mutex::default() }
    }

    /// Takes a place: the oldest one, if there is no other.
    pub(super) fn begin(&self) -> Place<'_> {
        let taken = Arc::new(Notify::new());
        let mut under_way = self.lock();
        under_way.push_back(taken.clone());
        if under_way.len() > self.count_max
            && let Some(oldest) = under_way.pop_front()
        {
            oldest.notify_one();
        }
        Place { handshakes: self, taken }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Notify>>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place<'_> {
    /// Waits until a younger handshake has taken the place. Cancel safe.
    pub(super) async fn taken(&self) {
        self.taken.notified().await;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.handshakes.lock().retain(|other| !Arc::ptr_eq(other, &self.taken));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_oldest_gives_way_and_places_come_back() {
        let handshakes = Handshakes::new(2);
        let (first, second) = (handshakes.begin(), handshakes.begin());
        let third = handshakes.begin();
        first.taken().await;
        drop(third);
        let fourth = handshakes.begin();
        for place in [&second, &fourth] {
            tokio::select! {
                biased;
                () = place.taken() => panic!("there was room"),
                () = std::future::ready(()) => {}
            }
        }
        drop((first, second, fourth));
        assert!(handshakes.lock().is_empty());
    }
}
