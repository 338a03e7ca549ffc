//! A waker between an instance and its job. What waits in a store keeps the last waker that it was polled with;
//! an instance that outlives its job would keep the job so, and with it the record of its request. And what is woken
//! while it is polled, as the tasks of a guest of WASI 0.3 wake one another, is polled again at once: its way through
//! the run queue would be longer than most of such turns are.

use super::budget::Budget;
use atomic_waker::AtomicWaker;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};

/// Polls that follow each other at most. Then other jobs have their turn, as they have after a tick.
const TURNS_MAX: u32 = 8;

/// Wakes whoever polls; nobody once that is over.
#[derive(Default)]
struct Relay {
    job: AtomicWaker,
    polling: AtomicBool,
    /// Woken since the last poll began.
    woken: AtomicBool,
}

impl Wake for Relay {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, SeqCst);
        // Either this sees the poll that is under way, or that poll sees, once it is over, that it was woken.
        if !self.polling.load(SeqCst) {
            self.job.wake();
        }
    }
}

impl Relay {
    /// Polls once; returns whether to poll again, too.
    fn poll<T>(&self, poll: impl FnOnce() -> Poll<T>) -> (Poll<T>, bool) {
        // Read, and not only written: what was done before a wake-up that is taken back here is seen by this poll.
        self.woken.swap(false, SeqCst);
        self.polling.store(true, SeqCst);
        let polled = poll();
        self.polling.store(false, SeqCst);
        let again = polled.is_pending() && self.woken.swap(false, SeqCst);
        (polled, again)
    }
}

/// Does what `future` does, within the slices of `budget`, and leaves no waker of the caller's behind. Cancel safe if
/// `future` is.
pub(super) async fn relayed<F: Future>(budget: &Budget, future: F) -> F::Output {
    let relay = Arc::<Relay>::default();
    let waker = Waker::from(relay.clone());
    let mut future = pin!(future);
    let output = poll_fn(|cx| {
        relay.job.register(cx.waker());
        for _ in 0..TURNS_MAX {
            let poll = || future.as_mut().poll(&mut Context::from_waker(&waker));
            let (polled, again) = relay.poll(poll);
            if !again {
                return polled;
            }
            if budget.ticked() {
                break;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
    drop(relay.job.take());
    output
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Exchange;
    use std::time::Duration;

    fn budget() -> Budget {
        let hour = Duration::from_secs(3600);
        Budget::new(hour, hour, Exchange::sample())
    }

    /// Counts how often it was woken.
    #[derive(Default)]
    struct Bell(std::sync::atomic::AtomicU32);

    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    #[test]
    fn caller_is_woken_and_let_go_afterwards() {
        let (caller, budget) = (Arc::<Bell>::default(), budget());
        let mut kept: Option<Waker> = None;
        let mut done = false;
        let mut relayed = Box::pin(relayed(
            &budget,
            poll_fn(|cx| {
                kept = Some(cx.waker().clone());
                match std::mem::replace(&mut done, true) {
                    true => Poll::Ready(()),
                    false => Poll::Pending,
                }
            }),
        ));
        let waker = Waker::from(caller.clone());
        assert!(relayed.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        assert!(relayed.as_mut().poll(&mut Context::from_waker(&waker)).is_ready());
        drop((relayed, waker));
        kept.expect("a waker").wake();
        assert_eq!(Arc::strong_count(&caller), 1, "nothing of the caller is kept");
        assert_eq!(caller.0.load(SeqCst), 0, "and nobody is woken any more");
    }

    #[test]
    fn what_is_woken_between_two_polls_is_told_to_the_caller() {
        let (caller, budget) = (Arc::<Bell>::default(), budget());
        let kept = std::cell::RefCell::new(None);
        let mut relayed = Box::pin(relayed(
            &budget,
            poll_fn(|cx| {
                kept.replace(Some(cx.waker().clone()));
                Poll::<()>::Pending
            }),
        ));
        let waker = Waker::from(caller.clone());
        for woken in 1..4 {
            assert!(relayed.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            kept.take().expect("a waker").wake();
            assert_eq!(caller.0.load(SeqCst), woken);
        }
    }

    #[test]
    fn what_wakes_itself_goes_on_for_a_few_turns_and_not_beyond_a_tick() {
        for (tick_at, turns) in [(u32::MAX, TURNS_MAX), (3, 3)] {
            let (caller, budget) = (Arc::<Bell>::default(), budget());
            budget.begin_poll();
            let mut polls = 0;
            let mut relayed = Box::pin(relayed(
                &budget,
                poll_fn(|cx| {
                    polls += 1;
                    if polls == tick_at {
                        budget.tick();
                    }
                    cx.waker().wake_by_ref();
                    Poll::<()>::Pending
                }),
            ));
            let waker = Waker::from(caller.clone());
            assert!(relayed.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            drop(relayed);
            assert_eq!(polls, turns);
            assert_eq!(caller.0.load(SeqCst), 1, "it is to be polled again, in its turn");
        }
    }
}
