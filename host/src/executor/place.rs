//! A job's place in a queue, from which it can be taken out of turn.
//!
//! A job that is to end must not wait for the threads of its class: on a full machine the last class
//! gets next to no CPU, and what its jobs hold (an instance, a permit) would be held that long. So the
//! queue holds places, and whoever ends a job takes it out of its place. Whoever ends it never waits
//! for a thread of a lower class, which the kernel may not run for a while.

use super::job::Runnable;
use super::sync::Mutex;
use std::sync::{Arc, PoisonError, Weak};

/// One place in a queue; empty once its job was taken.
#[derive(Debug, Default)]
pub(super) struct Place(Mutex<Option<Runnable>>);

impl Place {
    /// A place for `job`, which remembers it.
    pub(super) fn new(job: Runnable) -> Arc<Self> {
        let place = Arc::new(Self::default());
        job.metadata().whereabouts.remember(&place);
        *place.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(job);
        place
    }

    /// Takes the job; none if it is not there yet, was taken already, or is being taken right now.
    /// Nothing else looks into a place: who meets a lock here may rely on the other to have the job.
    pub(super) fn take(&self) -> Option<Runnable> {
        self.0.try_lock().ok()?.take()
    }
}

/// Where a job is queued, as the job itself knows.
#[derive(Debug, Default)]
pub(super) struct Whereabouts(Mutex<Weak<Place>>);

impl Whereabouts {
    /// May fail to remember while [`Self::take_out`] looks: whoever queues a job therefore asks
    /// afterwards whether it is to end.
    fn remember(&self, place: &Arc<Place>) {
        if let Ok(mut at) = self.0.try_lock() {
            *at = Arc::downgrade(place);
        }
    }

    /// Takes the job out of its queue, if it is in one.
    pub(super) fn take_out(&self) -> Option<Runnable> {
        let place = self.0.try_lock().ok()?.upgrade()?;
        place.take()
    }
}
