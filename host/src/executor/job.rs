//! A job: one guest's future with what surrounds every poll of it, the CPU meter and the wall that
//! keeps a panic of the host inside the request that met it.

use crate::outcome::Reason;
use crate::sandbox::Budget;
use crate::telemetry::Exchange;
use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// What the run queue knows about a job.
pub(super) struct JobContext;

/// Polls a guest until it ends; gives the permit back after the guest is gone.
pub(super) struct Job<P> {
    guest: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    budget: Arc<Budget>,
    exchange: Arc<Exchange>,
    /// Declared last, dropped last.
    _permit: P,
}

impl<P> Job<P> {
    pub(super) fn new(
        guest: impl Future<Output = ()> + Send + 'static,
        budget: Arc<Budget>,
        exchange: Arc<Exchange>,
        permit: P,
    ) -> Self {
        Self { guest: Some(Box::pin(guest)), budget, exchange, _permit: permit }
    }

    /// Drops the guest; a panic on its way out is the request's own, too.
    fn bury(&mut self) {
        let guest = self.guest.take();
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(guest))) {
            self.panicked(panic);
        }
    }

    fn panicked(&self, panic: Box<dyn Any + Send>) {
        self.exchange.fail(Reason::HostPanic);
        // A payload may panic when it is dropped; there is nothing in it that is worth that.
        std::mem::forget(panic);
    }
}

impl<P: Unpin> Future for Job<P> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let job = &mut *self;
        let Some(guest) = &mut job.guest else { return Poll::Ready(()) };
        job.budget.begin_poll();
        // After a panic the guest is dropped unseen: nothing half-changed is looked at again.
        let polled = catch_unwind(AssertUnwindSafe(|| guest.as_mut().poll(cx)));
        job.budget.end_poll();
        match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(())) => {}
            Err(panic) => job.panicked(panic),
        }
        job.bury();
        Poll::Ready(())
    }
}

impl<P> Drop for Job<P> {
    fn drop(&mut self) {
        self.bury();
    }
}
