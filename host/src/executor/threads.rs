//! The threads that poll guests.

use super::run_queue::RunQueue;
use std::io;
use std::num::NonZeroU32;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;

/// Executor threads, named `executor-N`.
pub(super) struct Threads {
    running: Vec<JoinHandle<()>>,
}

impl Threads {
    pub(super) fn start(
        count: NonZeroU32,
        queue: &Arc<RunQueue>,
        io: &tokio::runtime::Handle,
    ) -> io::Result<Self> {
        let mut threads = Self { running: Vec::new() };
        for index in 0..count.get() {
            let (queue, io) = (queue.clone(), io.clone());
            let thread = std::thread::Builder::new().name(format!("executor-{index}"));
            threads.running.push(thread.spawn(move || run(&queue, &io))?);
        }
        Ok(threads)
    }

    pub(super) fn all_alive(&self) -> bool {
        self.running.iter().all(|thread| !thread.is_finished())
    }

    /// Waits for threads whose queue was closed: a slice at most, or one host call.
    pub(super) fn join(&mut self) {
        for thread in self.running.drain(..) {
            // A thread that died took its job with it, which was reported then.
            let _ = thread.join();
        }
    }
}

fn run(queue: &RunQueue, io: &tokio::runtime::Handle) {
    let _io = io.enter();
    while let Some(job) = queue.pop() {
        // The job catches its guest's panics itself; what is left are drops of cancelled ones.
        let _ = catch_unwind(AssertUnwindSafe(|| job.run()));
    }
}
