//! Where guests that are ready to run wait for an executor thread: first come, first served, and
//! to the back again after every slice.

use super::job::JobContext;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// A job that is ready to be polled.
pub(super) type Runnable = async_task::Runnable<JobContext>;

/// Bounded by the number of live jobs, each of which is queued once at most.
#[derive(Default)]
pub(super) struct RunQueue {
    state: Mutex<State>,
    ready: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Runnable>,
    closed: bool,
}

impl RunQueue {
    /// Adds a job at the back. After [`Self::close`] the job is dropped, and its guest with it.
    pub(super) fn push(&self, job: Runnable) {
        let mut state = self.lock();
        if state.closed {
            // Dropping a job wakes whoever awaits it and may run arbitrary drops: not under the lock.
            drop(state);
            drop(job);
            return;
        }
        state.jobs.push_back(job);
        drop(state);
        self.ready.notify_one();
    }

    /// Takes the job at the front, waiting for one; none once the queue is closed.
    pub(super) fn pop(&self) -> Option<Runnable> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(job) = state.jobs.pop_front() {
                return Some(job);
            }
            state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Sends every waiting thread home and drops what is queued.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let jobs = std::mem::take(&mut state.jobs);
        drop(state);
        self.ready.notify_all();
        drop(jobs);
    }

    /// Nothing panics while the lock is held, so a poisoned one is as good as any.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    /// A job that counts its polls and is ready again after each of the first `polls`.
    fn spawn(queue: &Arc<RunQueue>, polls: usize, log: &Arc<Mutex<Vec<usize>>>, name: usize) {
        let (queue, log) = (queue.clone(), log.clone());
        let mut left = polls;
        let future = std::future::poll_fn(move |cx: &mut std::task::Context<'_>| {
            log.lock().expect("test").push(name);
            if left == 0 {
                return std::task::Poll::Ready(());
            }
            left -= 1;
            cx.waker().wake_by_ref();
            std::task::Poll::Pending
        });
        let (runnable, task) =
            async_task::Builder::new().metadata(JobContext).spawn(|_| future, move |job| queue.push(job));
        task.detach();
        runnable.schedule();
    }

    #[test]
    fn a_preempted_job_goes_to_the_back() {
        let (queue, log) = (Arc::new(RunQueue::default()), Arc::default());
        for name in 0..3 {
            spawn(&queue, 1, &log, name);
        }
        for _ in 0..6 {
            queue.pop().expect("six polls are due").run();
        }
        assert_eq!(*log.lock().expect("test"), [0, 1, 2, 0, 1, 2]);
    }

    #[test]
    fn closing_frees_the_waiting_and_drops_the_queued() {
        let (queue, log) = (Arc::new(RunQueue::default()), Arc::default());
        let freed = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    assert!(queue.pop().is_none());
                    freed.fetch_add(1, SeqCst);
                });
            }
            queue.close();
        });
        assert_eq!(freed.load(SeqCst), 3);
        spawn(&queue, 0, &log, 0);
        assert!(queue.pop().is_none());
        assert!(log.lock().expect("test").is_empty());
    }
}
