//! A job: one guest's future with what surrounds every poll of it, the CPU meter and the wall that
//! keeps a panic of the host inside the request that met it.

use super::class::Lowest;
use super::place::Whereabouts;
use super::progress::Progress;
use super::reaper::Reaper;
use super::scheduler::Scheduler;
use super::sync::AtomicBool;
use super::turns::HandlerKey;
use crate::outcome::Reason;
use crate::sandbox::{Budget, LARGE_INSTANCE_BYTES};
use crate::telemetry::Exchange;
use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::sync::Notify;

/// A job that is ready to be polled.
pub(super) type Runnable = async_task::Runnable<Arc<JobContext>>;

/// What a job polls. It has kilobytes, and is moved a few times before it is first polled.
pub(super) type Guest = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What the scheduler knows about a job; shared by its task and the table of live jobs.
#[derive(Debug)]
pub(super) struct JobContext {
    pub(super) handler: HandlerKey,
    pub(super) whereabouts: Whereabouts,
    pub(super) lowest: Lowest,
    /// Set once nobody waits for the job any more: its next poll drops the guest.
    cancelled: AtomicBool,
    /// Rings for whoever waits for the guest's answer, once the job was killed, or failed and is not gone yet.
    killed: Notify,
    pub(super) progress: Progress,
    budget: Arc<Budget>,
    pub(super) exchange: Arc<Exchange>,
}

impl JobContext {
    pub(super) fn new(handler: HandlerKey, budget: Arc<Budget>, exchange: Arc<Exchange>) -> Arc<Self> {
        Arc::new(Self {
            handler,
            whereabouts: Whereabouts::default(),
            lowest: Lowest::default(),
            cancelled: AtomicBool::new(false),
            killed: Notify::new(),
            progress: Progress::default(),
            budget,
            exchange,
        })
    }

    /// CPU time that the job has used.
    pub(super) fn cpu_ns(&self) -> u64 {
        self.exchange.cpu_ns()
    }

    /// When the job must have ended.
    pub(super) fn deadline(&self) -> Instant {
        self.budget.deadline
    }

    /// Asks for the job's end.
    pub(super) fn cancel(&self) {
        self.cancelled.store(true, SeqCst);
    }

    /// Whether nobody waits for the job any more.
    pub(super) fn cancelled(&self) -> bool {
        self.cancelled.load(SeqCst)
    }

    /// Tells whoever waits for the guest's answer that there is none to wait for; the record of the request says why.
    pub(super) fn ring_killed(&self) {
        // Kept for one who comes to wait later.
        self.killed.notify_one();
    }

    /// Waits for [`Self::ring_killed`]. Cancel safe.
    pub(super) async fn killed(&self) {
        self.killed.notified().await;
    }

    /// Whether what is left of the job is to tidy up, which is done without delay: it gives an
    /// instance and a permit back.
    pub(super) fn ending(&self) -> bool {
        self.cancelled() || self.budget.ending()
    }

    /// Records that the job goes down with the thread that held it.
    #[cfg(feature = "failpoints")]
    pub(super) fn lose(&self) {
        self.exchange.fail(Reason::ExecutorLost);
    }

    /// Tells the guest's side that the threads that poll it have a low priority.
    pub(super) fn demoted(&self) {
        self.budget.demote();
    }

    /// The job's future. `reaper` takes down what is large.
    pub(super) fn job<P>(self: &Arc<Self>, guest: Guest, permit: P, reaper: Arc<Reaper>) -> Job<P>
    where
        P: Send + 'static,
    {
        Job { guest: Some(guest), context: self.clone(), reaper, permit: Some(permit) }
    }

    /// Drops the guest; a panic on its way out is the request's own, too.
    fn bury(&self, guest: Guest) {
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

/// Polls a guest until it ends; gives the permit back after the guest is gone.
pub(super) struct Job<P: Send + 'static> {
    guest: Option<Guest>,
    context: Arc<JobContext>,
    reaper: Arc<Reaper>,
    /// Declared last, dropped last; none once it went with the guest.
    permit: Option<P>,
}

impl<P: Send + 'static> Job<P> {
    /// Drops the guest, or has it dropped if that takes long: then the permit goes with it.
    fn bury(&mut self) {
        let Some(guest) = self.guest.take() else { return };
        let exchange = &self.context.exchange;
        // What drives an instance for others has no permit, and they wait for what its end tells them.
        if exchange.memory_bytes() < LARGE_INSTANCE_BYTES || exchange.is_aside() {
            self.context.bury(guest);
            return;
        }
        if exchange.failure().is_some() {
            // Whoever waits for the answer asks why there is none, and need not wait for the guest to be gone.
            self.context.ring_killed();
        }
        let (context, permit) = (self.context.clone(), self.permit.take());
        self.reaper.take(move || {
            context.bury(guest);
            drop(permit);
        });
    }
}

impl<P: Send + Unpin + 'static> Future for Job<P> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let job = &mut *self;
        let mut returned = false;
        if let Some(guest) = &mut job.guest
            && !job.context.cancelled()
            && !job.context.budget.stopped()
        {
            job.context.progress.running();
            job.context.budget.begin_poll();
            // After a panic the guest is dropped unseen: nothing half-changed is looked at again.
            let polled = catch_unwind(AssertUnwindSafe(|| guest.as_mut().poll(cx)));
            job.context.budget.end_poll();
            match polled {
                Ok(Poll::Pending) => {
                    job.context.progress.waiting();
                    return Poll::Pending;
                }
                Ok(Poll::Ready(())) => returned = true,
                Err(panic) => job.context.panicked(panic),
            }
        }
        if Scheduler::low_class_here() {
            // Dropping the guest locks what every request needs: not on a thread of low priority.
            job.context.cancel();
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        job.bury();
        if !returned {
            Budget::between_polls();
        }
        Poll::Ready(())
    }
}

impl<P: Send + 'static> Drop for Job<P> {
    fn drop(&mut self) {
        if self.guest.is_some() {
            self.bury();
            Budget::between_polls();
        }
    }
}
