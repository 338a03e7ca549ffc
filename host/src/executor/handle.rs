//! A job seen from outside.

use super::detached::Detached;
use super::job::JobContext;
use super::scheduler::Scheduler;
use std::future::Future;
use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

/// A job seen from outside: dropping it ends the guest at its next tick, wherever it is.
#[must_use = "dropping the handle cancels the job"]
pub struct JobHandle {
    /// Taken by the drop.
    task: Option<async_task::Task<(), JobContext>>,
    waker: Waker,
    scheduler: Arc<Scheduler>,
    detached: Arc<Detached>,
}

impl JobHandle {
    /// Queues `guest` as a new job. `permit` is given back once the guest is gone.
    pub(super) fn start<P: Send + Unpin + 'static>(
        scheduler: &Arc<Scheduler>,
        detached: &Arc<Detached>,
        context: JobContext,
        guest: impl Future<Output = ()> + Send + 'static,
        permit: P,
    ) -> Self {
        let schedule = {
            let scheduler = scheduler.clone();
            move |job| scheduler.schedule(job)
        };
        let (job, task) = async_task::Builder::new()
            .metadata(context)
            .spawn(|context| context.job(guest, permit), schedule);
        let waker = job.waker();
        job.schedule();
        Self { task: Some(task), waker, scheduler: scheduler.clone(), detached: detached.clone() }
    }

    /// Lets the job go on by itself, to its deadline at most.
    pub fn detach(self) {
        if !self.finished() {
            let detached = self.detached.clone();
            detached.push(self);
        }
    }

    /// Whether the guest is gone.
    pub(super) fn finished(&self) -> bool {
        self.task.as_ref().is_none_or(async_task::Task::is_finished)
    }

    /// When the job must have ended.
    pub(super) fn deadline(&self) -> Instant {
        self.task.as_ref().map_or_else(Instant::now, |task| task.metadata().deadline())
    }
}

impl Drop for JobHandle {
    fn drop(&mut self) {
        let Some(task) = self.task.take() else { return };
        let context = task.metadata();
        context.cancel();
        // Queued, it is taken out of turn; waiting, it is woken; running, it is rescheduled at its
        // next tick. In each case its next poll drops the guest, on a thread of normal priority.
        if let Some(job) = context.whereabouts.take_out() {
            self.scheduler.hasten(job);
        }
        task.detach();
        self.waker.wake_by_ref();
    }
}
