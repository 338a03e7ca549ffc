//! Jobs that go on after their request was answered. Nobody waits for them any more, and in a queue
//! that gets no CPU they would not notice their own deadline: the supervisor ends them there.

use super::handle::JobHandle;
use crossbeam_queue::SegQueue;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Instant;

/// Handles on their way to the supervisor. Bounded by the live jobs and those that have ended since
/// its last look.
#[derive(Default)]
pub(super) struct Detached {
    jobs: SegQueue<JobHandle>,
    closed: AtomicBool,
}

impl Detached {
    /// Hands a job over.
    pub(super) fn push(&self, job: JobHandle) {
        self.jobs.push(job);
        if self.closed.load(SeqCst) {
            // Nobody looks any more: what is here ends.
            self.sweep(&mut Vec::new());
        }
    }

    /// Ends every job that is here or still comes.
    pub(super) fn close(&self) {
        self.closed.store(true, SeqCst);
        self.sweep(&mut Vec::new());
    }

    /// Adds what was handed over to `jobs`, and lets go of those that have ended or should have.
    pub(super) fn sweep(&self, jobs: &mut Vec<JobHandle>) {
        while let Some(job) = self.jobs.pop() {
            jobs.push(job);
        }
        let now = Instant::now();
        jobs.retain(|job| !job.finished() && !job.overdue(now));
    }
}
