//! The executor: the threads that poll guests, the queue that feeds them and the ticker that takes
//! a thread back from a guest that does not return it. Nothing else ever polls a guest.

mod job;
mod run_queue;
mod threads;
mod ticker;

use crate::config::ExecutorConfig;
use crate::sandbox::Budget;
use crate::telemetry::Exchange;
use job::{Job, JobContext};
use run_queue::RunQueue;
use std::future::Future;
use std::io;
use std::sync::Arc;
use threads::Threads;
use ticker::Ticker;

/// Starts jobs, and ends with its last job.
pub struct Executor {
    queue: Arc<RunQueue>,
    ticker: Arc<Ticker>,
    threads: Threads,
}

/// A job seen from outside: dropping it ends the guest at its next tick, wherever it is.
#[must_use = "dropping the handle cancels the job"]
pub struct JobHandle {
    task: async_task::Task<(), JobContext>,
}

impl JobHandle {
    /// Lets the job go on by itself, to the end of its budget at most.
    pub fn detach(self) {
        self.task.detach();
    }
}

impl Executor {
    /// Starts the threads. Sockets and timers that guests use live on the `io` runtime; `tick` is
    /// called once every slice while there are jobs.
    ///
    /// # Errors
    /// If the system refuses a thread.
    pub fn start(
        config: &ExecutorConfig,
        io: &tokio::runtime::Handle,
        tick: impl Fn() + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let queue = Arc::new(RunQueue::default());
        let ticker = Ticker::start(config.slice, tick)?;
        let threads = Threads::start(config.threads, &queue, io)?;
        Ok(Self { queue, ticker, threads })
    }

    /// Queues `guest`. `permit` is given back once the guest is gone, which is after it ended or
    /// its handle was dropped.
    pub fn spawn<P: Send + Unpin + 'static>(
        &self,
        guest: impl Future<Output = ()> + Send + 'static,
        budget: Arc<Budget>,
        exchange: Arc<Exchange>,
        permit: P,
    ) -> JobHandle {
        let job = Job::new(guest, budget, exchange, (permit, self.ticker.busy()));
        let queue = self.queue.clone();
        let schedule = move |runnable| queue.push(runnable);
        let (runnable, task) = async_task::Builder::new().metadata(JobContext).spawn(|_| job, schedule);
        runnable.schedule();
        JobHandle { task }
    }

    /// Whether guests can be preempted: the ticker is alive and on time.
    pub fn healthy(&self) -> bool {
        self.ticker.healthy() && self.threads.all_alive()
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        self.queue.close();
        self.threads.join();
        self.ticker.stop();
    }
}
