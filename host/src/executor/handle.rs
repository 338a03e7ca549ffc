//! A job seen from outside.

use super::detached::Detached;
use super::job::{Guest, JobContext, Runnable};
use super::reaper::Reaper;
use super::scheduler::Scheduler;
use crate::outcome::Reason;
use std::future::Future;
use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

/// A job seen from outside: dropping it ends the guest at its next tick, wherever it is.
#[must_use = "dropping the handle cancels the job"]
pub struct JobHandle {
    /// Taken by the drop.
    task: Option<async_task::Task<(), Arc<JobContext>>>,
    waker: Waker,
    scheduler: Arc<Scheduler>,
    detached: Arc<Detached>,
}

impl JobHandle {
    /// Makes a job of `guest`, to be scheduled by the caller. `permit` is given back once the guest is
    /// gone.
    pub(super) fn prepare<P: Send + Unpin + 'static>(
        scheduler: &Arc<Scheduler>,
        detached: &Arc<Detached>,
        reaper: &Arc<Reaper>,
        context: Arc<JobContext>,
        guest: Guest,
        permit: P,
    ) -> (Self, Runnable) {
        let schedule = {
            let scheduler = scheduler.clone();
            move |job| scheduler.schedule(job)
        };
        let reaper = reaper.clone();
        let (job, task) = async_task::Builder::new()
            .metadata(context)
            .spawn(|context| context.job(guest, permit, reaper), schedule);
        let waker = job.waker();
        let (scheduler, detached) = (scheduler.clone(), detached.clone());
        (Self { task: Some(task), waker, scheduler, detached }, job)
    }

    /// Makes a job and schedules it.
    #[cfg(test)]
    pub(super) fn start<P: Send + Unpin + 'static>(
        scheduler: &Arc<Scheduler>,
        detached: &Arc<Detached>,
        context: Arc<JobContext>,
        guest: impl Future<Output = ()> + Send + 'static,
        permit: P,
    ) -> Self {
        let (handle, job) =
            Self::prepare(scheduler, detached, &Arc::default(), context, Box::pin(guest), permit);
        job.schedule();
        handle
    }

    /// Wakes the job, wherever it waits.
    pub(super) fn waker(&self) -> &Waker {
        &self.waker
    }

    /// Waits until the job is killed by its number, for as long as it takes. Cancel safe.
    pub fn killed(&self) -> impl Future<Output = ()> + Send + use<> {
        let context = self.task.as_ref().map(|task| task.metadata().clone());
        async move {
            match context {
                Some(context) => context.killed().await,
                None => std::future::pending().await,
            }
        }
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

    /// Whether the job must have ended by now; that it did not is recorded: it had answered before.
    pub(super) fn overdue(&self, now: Instant) -> bool {
        self.task.as_ref().is_none_or(|task| {
            let overdue = now >= task.metadata().deadline();
            if overdue {
                task.metadata().exchange.ended_after_answer(Reason::PostReturnTimeout);
            }
            overdue
        })
    }
}

/// Ends a job, wherever it is. Queued, it is taken out of turn; waiting, it is woken; running, it is
/// rescheduled at its next tick. In each case its next poll drops the guest, on a thread of normal
/// priority.
pub(super) fn end(context: &JobContext, waker: &Waker, scheduler: &Scheduler) {
    context.cancel();
    if let Some(job) = context.whereabouts.take_out() {
        scheduler.hasten(job);
    }
    waker.wake_by_ref();
}

impl Drop for JobHandle {
    fn drop(&mut self) {
        let Some(task) = self.task.take() else { return };
        end(task.metadata(), &self.waker, &self.scheduler);
        task.detach();
    }
}
