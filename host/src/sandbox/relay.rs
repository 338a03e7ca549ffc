//! A waker between an instance and its job. What waits in a store keeps the last waker that it was polled with;
//! an instance that outlives its job would keep the job so, and with it the record of its request.

use atomic_waker::AtomicWaker;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};

/// Wakes whoever polls; nobody once that is over.
#[derive(Default)]
struct Relay(AtomicWaker);

impl Wake for Relay {
    fn wake(self: Arc<Self>) {
        self.0.wake();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.wake();
    }
}

/// Does what `future` does, and leaves no waker of the caller's behind. Cancel safe if `future` is.
pub(super) async fn relayed<F: Future>(future: F) -> F::Output {
    let relay = Arc::<Relay>::default();
    let waker = Waker::from(relay.clone());
    let mut future = pin!(future);
    let output = poll_fn(|cx| {
        relay.0.register(cx.waker());
        future.as_mut().poll(&mut Context::from_waker(&waker))
    })
    .await;
    drop(relay.0.take());
    output
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Poll;

    #[test]
    fn caller_is_woken_while_it_polls_and_let_go_afterwards() {
        let caller = Arc::<Relay>::default();
        let mut kept = None;
        let mut done = false;
        let mut relayed = Box::pin(relayed(poll_fn(|cx| {
            kept = Some(cx.waker().clone());
            cx.waker().wake_by_ref();
            match std::mem::replace(&mut done, true) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })));
        let waker = Waker::from(caller.clone());
        assert!(relayed.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        assert!(relayed.as_mut().poll(&mut Context::from_waker(&waker)).is_ready());
        drop((relayed, waker));
        assert!(kept.is_some());
        assert_eq!(Arc::strong_count(&caller), 1, "nothing of the caller is kept");
    }
}
