//! Who is let in: a permit for one instance of the host and one of the handler, a bounded wait for
//! it, or a refusal.

use crate::config::AdmissionConfig;
use crate::outcome::Reason;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The right to one instance; given back when it is dropped.
#[derive(Debug)]
pub struct RequestPermit {
    _handler: OwnedSemaphorePermit,
    _instance: OwnedSemaphorePermit,
}

/// Gives out permits, first come, first served.
#[derive(Debug)]
pub struct Admission {
    config: AdmissionConfig,
    instances: Arc<Semaphore>,
    handler: Arc<Semaphore>,
    waiting: AtomicU32,
}

impl Admission {
    /// Admission with nobody let in yet.
    pub fn new(config: AdmissionConfig) -> Self {
        let semaphore = |permits: std::num::NonZeroU32| Arc::new(Semaphore::new(permits.get() as usize));
        Self {
            instances: semaphore(config.instances),
            handler: semaphore(config.concurrency),
            waiting: AtomicU32::new(0),
            config,
        }
    }

    /// Instances alive now.
    pub fn live(&self) -> u32 {
        let free = u32::try_from(self.instances.available_permits()).unwrap_or(u32::MAX);
        self.config.instances.get().saturating_sub(free)
    }

    /// Requests that wait for an instance now.
    pub fn queued(&self) -> u32 {
        self.waiting.load(Relaxed)
    }

    /// Instances that may live at once.
    pub fn instances_max(&self) -> u32 {
        self.config.instances.get()
    }

    /// Gives a permit, at once if one is free and nobody waits for it, else within
    /// `--queue-timeout`.
    ///
    /// Cancel safe: a dropped wait leaves the queue.
    ///
    /// # Errors
    /// [`Reason::QueueFull`] at once, [`Reason::QueueTimeout`] after the wait.
    pub async fn admit(&self) -> Result<RequestPermit, Reason> {
        if let Ok(handler) = self.handler.clone().try_acquire_owned()
            && let Ok(instance) = self.instances.clone().try_acquire_owned()
        {
            return Ok(RequestPermit { _handler: handler, _instance: instance });
        }
        let _place = Place::take(self)?;
        let wait = async {
            let handler = self.handler.clone().acquire_owned().await;
            let instance = self.instances.clone().acquire_owned().await;
            RequestPermit {
                _handler: handler.expect("handler permits: the semaphore is never closed"),
                _instance: instance.expect("instance permits: the semaphore is never closed"),
            }
        };
        tokio::time::timeout(self.config.queue_timeout, wait).await.map_err(|_| Reason::QueueTimeout)
    }
}

/// One place in the queue.
struct Place<'a>(&'a AtomicU32);

impl<'a> Place<'a> {
    fn take(admission: &'a Admission) -> Result<Self, Reason> {
        let max = admission.config.queue_max;
        let waiting = &admission.waiting;
        waiting
            .fetch_update(Relaxed, Relaxed, |now| (now < max).then_some(now + 1))
            .map(|_| Self(waiting))
            .map_err(|_| Reason::QueueFull)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroU32;
    use std::time::Duration;

    fn admission(instances: u32, concurrency: u32, queue_max: u32) -> Admission {
        let some = |n| NonZeroU32::new(n).expect("test");
        Admission::new(AdmissionConfig {
            instances: some(instances),
            concurrency: some(concurrency),
            queue_max,
            queue_timeout: Duration::from_secs(1),
        })
    }

    #[tokio::test(start_paused = true)]
    async fn full_queue_answers_at_once_and_a_waiting_request_gets_the_next_permit() {
        let admission = admission(1, 1, 1);
        let first = admission.admit().await.expect("room for one");
        let (second, third, ()) = tokio::join!(biased; admission.admit(), admission.admit(), async {
            assert_eq!(admission.live(), 1);
            drop(first);
        });
        assert!(second.is_ok());
        assert_eq!(third.err(), Some(Reason::QueueFull));
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_ends_with_the_queue_timeout_and_gives_its_place_back() {
        let admission = admission(1, 1, 1);
        let first = admission.admit().await.expect("room for one");
        for _ in 0..3 {
            assert_eq!(admission.admit().await.err(), Some(Reason::QueueTimeout));
        }
        drop(first);
        assert_eq!(admission.live(), 0);
        assert!(admission.admit().await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn the_handlers_own_limit_holds_below_the_hosts() {
        let admission = admission(8, 2, 0);
        let held = (admission.admit().await.expect("first"), admission.admit().await.expect("second"));
        assert_eq!(admission.admit().await.err(), Some(Reason::QueueFull));
        assert_eq!(admission.live(), 2);
        drop(held);
    }
}
