//! Keeps a storm of equal events from flooding the log: so many a second are told, the others are
//! counted and told with the next.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

const WINDOW: Duration = Duration::from_secs(1);

/// Lets a number of events through in every second.
#[derive(Debug)]
pub struct Sampler {
    events_max: u32,
    /// Never waited for: a thread of a low class may be stopped while it holds it.
    state: Mutex<State>,
    suppressed: AtomicU64,
}

#[derive(Debug)]
struct State {
    began: Instant,
    events: u32,
}

impl Sampler {
    /// Lets `events_max` events a second through.
    pub fn new(events_max: u32) -> Self {
        let state = State { began: Instant::now(), events: 0 };
        Self { events_max, state: Mutex::new(state), suppressed: AtomicU64::new(0) }
    }

    /// Whether to tell of an event that happened now; if so, with how many were not told since the
    /// last one that was.
    pub fn admit(&self) -> Option<u64> {
        self.admit_at(Instant::now())
    }

    fn admit_at(&self, now: Instant) -> Option<u64> {
        let Ok(mut state) = self.state.try_lock() else {
            // Somebody else is just telling of one.
            self.suppressed.fetch_add(1, Relaxed);
            return None;
        };
        if now.saturating_duration_since(state.began) >= WINDOW {
            state.began = now;
            state.events = 0;
        }
        if state.events == self.events_max {
            self.suppressed.fetch_add(1, Relaxed);
            return None;
        }
        state.events += 1;
        Some(self.suppressed.swap(0, Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_is_cut_and_counted() {
        let sampler = Sampler::new(2);
        let now = Instant::now();
        let told: Vec<_> = (0..5).map(|_| sampler.admit_at(now)).collect();
        assert_eq!(told, [Some(0), Some(0), None, None, None]);
        assert_eq!(sampler.admit_at(now + WINDOW), Some(3));
        assert_eq!(sampler.admit_at(now + WINDOW), Some(0));
        assert_eq!(sampler.admit_at(now + WINDOW), None);
    }
}
