//! Who is let in: a permit for one instance, of the host's and of its handler's own, a bounded wait
//! for it, or a refusal that says when to come back.

mod gate;
mod pace;
mod permit;
mod pressure;
mod rate;
#[cfg(test)]
mod simulation;
mod turnstile;

use crate::config::AdmissionConfig;
use crate::executor::HandlerKey;
use crate::outcome::{Reason, Refusal};
use gate::{Entry, Gate};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

pub use permit::{RequestPermit, StreamClaim};
pub use pressure::{Pressure, PressureWatch};
pub use rate::{HandlerRate, RateLimits};

/// Whose request it is, and what that handler may have.
#[derive(Clone, Copy, Debug)]
pub struct HandlerShare {
    /// The handler; those who have the same are one to admission.
    pub handler: HandlerKey,
    /// Its instances alive at once.
    pub concurrency: NonZeroU32,
}

/// Gives out permits: handlers take turns, and one handler's requests come in order of arrival.
pub struct Admission {
    config: AdmissionConfig,
    gate: Arc<Gate>,
    pressure: Arc<Pressure>,
    rates: RateLimits,
}

impl Admission {
    /// Admission with nobody let in yet, to `alive_max` sandboxes at most, streams among them.
    pub fn new(config: AdmissionConfig, alive_max: u32) -> Self {
        let rates = RateLimits::new(&config);
        Self { config, rates, gate: Arc::new(Gate::new(config, alive_max)), pressure: Arc::default() }
    }

    /// Instances alive now that are not streams.
    pub fn live(&self) -> u32 {
        self.gate.live.load(Relaxed)
    }

    /// Instances that may live at once, streams apart.
    pub fn instances_max(&self) -> u32 {
        self.config.instances.get()
    }

    /// Responses that stream now.
    pub fn streams(&self) -> u32 {
        self.gate.streams.load(Relaxed)
    }

    /// Responses that may stream at once.
    pub fn streams_max(&self) -> u32 {
        self.config.streams_max
    }

    /// Instances alive now, streams among them.
    pub fn sandboxes(&self) -> u32 {
        self.live() + self.streams()
    }

    /// Requests that wait for an instance now.
    pub fn queued(&self) -> u32 {
        self.gate.queued.load(Relaxed)
    }

    /// Whether the memory is short; a [`PressureWatch`] keeps it up to date.
    pub fn pressure(&self) -> &Arc<Pressure> {
        &self.pressure
    }

    /// How often clients and handlers may ask.
    pub fn rates(&self) -> &RateLimits {
        &self.rates
    }

    /// Gives a permit to a request of a handler, at once if one is free, else within
    /// `--queue-timeout`.
    ///
    /// Cancel safe: a dropped wait leaves the queue at once.
    ///
    /// # Errors
    /// [`Reason::MemoryPressure`], before or after a wait. At once: [`Reason::QueueFull`], or
    /// [`Reason::QueueTimeout`] where the line is so long and so slow that the wait would be in vain. After
    /// the wait: [`Reason::QueueTimeout`].
    pub async fn admit(&self, share: HandlerShare) -> Result<RequestPermit, Refusal> {
        self.check_pressure()?;
        let mut place = match self.gate.enter(share)? {
            Entry::Permit(permit) => return Ok(permit),
            Entry::Place(place) => place,
        };
        let permit = match tokio::time::timeout(self.config.queue_timeout, &mut place.word).await {
            Ok(word) => word.expect("queue: whoever waits is told before it is forgotten")?,
            Err(_) => return Err(self.gate.refusal(Reason::QueueTimeout, share.handler)),
        };
        self.check_pressure()?;
        Ok(permit)
    }

    fn check_pressure(&self) -> Result<(), Refusal> {
        if self.pressure.is_high() { Err(Reason::MemoryPressure.into()) } else { Ok(()) }
    }
}

#[cfg(test)]
impl Admission {
    /// Gives a permit to a request of a handler that may have what all may.
    async fn admit_usual(&self, handler: HandlerKey) -> Result<RequestPermit, Refusal> {
        self.admit(HandlerShare { handler, concurrency: self.config.concurrency }).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroU32;
    use std::time::Duration;

    fn bounds(instances: u32, concurrency: u32, queue_max: u32) -> AdmissionConfig {
        let some = |n| NonZeroU32::new(n).expect("test");
        AdmissionConfig {
            instances: some(instances),
            concurrency: some(concurrency),
            queue_max,
            queue_share_percent: 100,
            queue_timeout: Duration::from_secs(1),
            streams_max: 1,
            memory_pressure_percent: None,
            rate_client: None,
            rate_handler: None,
        }
    }

    fn admission(instances: u32, concurrency: u32, queue_max: u32) -> Admission {
        Admission::new(bounds(instances, concurrency, queue_max), u32::MAX)
    }

    fn reason(admitted: Result<RequestPermit, Refusal>) -> Option<Reason> {
        admitted.err().map(|refusal| refusal.reason)
    }

    #[tokio::test(start_paused = true)]
    async fn full_queue_answers_at_once_and_a_waiting_request_gets_the_next_permit() {
        let admission = admission(1, 1, 1);
        let first = admission.admit_usual(1).await.expect("room for one");
        let (second, third, ()) = tokio::join!(biased; admission.admit_usual(1), admission.admit_usual(1), async {
            assert_eq!((admission.live(), admission.queued()), (1, 1));
            drop(first);
        });
        assert!(second.is_ok());
        assert_eq!(reason(third), Some(Reason::QueueFull));
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_ends_with_the_queue_timeout_and_gives_its_place_back() {
        let admission = admission(1, 1, 1);
        let first = admission.admit_usual(1).await.expect("room for one");
        for _ in 0..3 {
            assert_eq!(reason(admission.admit_usual(1).await), Some(Reason::QueueTimeout));
        }
        drop(first);
        assert_eq!(admission.live(), 0);
        assert!(admission.admit_usual(1).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn the_handlers_own_limit_holds_below_the_hosts_and_leaves_room_for_others() {
        let admission = admission(8, 2, 0);
        let held =
            (admission.admit_usual(1).await.expect("first"), admission.admit_usual(1).await.expect("second"));
        assert_eq!(reason(admission.admit_usual(1).await), Some(Reason::QueueFull));
        assert_eq!(admission.live(), 2);
        assert!(admission.admit_usual(2).await.is_ok());
        drop(held);
    }

    #[tokio::test(start_paused = true)]
    async fn each_handler_has_its_own_limit() {
        let admission = admission(8, 8, 0);
        let some = |n| NonZeroU32::new(n).expect("test");
        let share = |handler, concurrency| HandlerShare { handler, concurrency: some(concurrency) };
        let _one = admission.admit(share(1, 1)).await.expect("room for one");
        assert_eq!(reason(admission.admit(share(1, 1)).await), Some(Reason::QueueFull));
        let _two = (admission.admit(share(2, 2)).await, admission.admit(share(2, 2)).await);
        assert_eq!(admission.live(), 3);
        assert!(admission.admit(share(1, 2)).await.is_ok(), "a limit that was raised holds for the next");
    }

    #[tokio::test(start_paused = true)]
    async fn a_share_of_the_queue_is_all_that_one_handler_gets() {
        let admission =
            Admission::new(AdmissionConfig { queue_share_percent: 50, ..bounds(1, 1, 4) }, u32::MAX);
        let _first = admission.admit_usual(1).await.expect("room for one");
        let (.., third, other) = tokio::join!(
            biased; admission.admit_usual(1), admission.admit_usual(1), admission.admit_usual(1), admission.admit_usual(2)
        );
        assert_eq!(reason(third), Some(Reason::QueueFull));
        assert_eq!(reason(other), Some(Reason::QueueTimeout), "there was a place to wait in");
    }

    #[tokio::test(start_paused = true)]
    async fn streams_count_among_the_sandboxes_that_may_live() {
        let admission = Admission::new(bounds(2, 2, 1), 2);
        let stream = admission.admit_usual(1).await.expect("the first sandbox");
        assert!(stream.claim().take());
        let _second = admission.admit_usual(1).await.expect("the second sandbox");
        let (third, ()) = tokio::join!(biased; admission.admit_usual(1), async {
            assert_eq!((admission.live(), admission.queued()), (1, 1));
            drop(stream);
        });
        assert!(third.is_ok(), "the stream's end is its turn");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_leaves_its_place_to_others() {
        let admission = admission(1, 1, 0);
        let stream = admission.admit_usual(1).await.expect("room for one");
        let claim = stream.claim();
        assert!(claim.take());
        assert_eq!((admission.live(), admission.streams()), (0, 1));
        let next = admission.admit_usual(1).await.expect("the stream's place");
        assert!(!next.claim().take(), "one stream is all there may be");
        drop(stream);
        assert_eq!((admission.live(), admission.streams()), (1, 0));
        assert!(claim.take(), "an instance that is gone needs no permit");
        assert_eq!(admission.streams(), 0);
        assert!(next.claim().take());
    }
}
