//! The executor: the threads that poll guests, the queues that feed them and the ticker that takes
//! a thread back from a guest that does not return it. Nothing else ever polls a guest.

mod affinity;
mod class;
mod crowd;
mod detached;
mod handle;
mod inbox;
mod job;
mod jobs;
#[cfg(test)]
mod model;
mod place;
mod priority;
mod progress;
mod run_queue;
mod scheduler;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod stress;
mod supervisor;
mod sync;
mod threads;
mod ticker;
mod turns;

use crate::config::ExecutorConfig;
use crate::sandbox::Budget;
use crate::telemetry::Exchange;
use affinity::Cores;
use class::Thresholds;
use detached::Detached;
use job::JobContext;
use jobs::JobTable;
use priority::Priorities;
use scheduler::{Scheduler, monotonic_ns};
use std::future::Future;
use std::io;
use std::sync::Arc;
use supervisor::Supervisor;
use threads::Threads;
use ticker::Ticker;

pub use handle::JobHandle;
pub use jobs::LiveJob;
pub use progress::JobState;

/// Starts jobs; dropped, it ends those that are left.
pub struct Executor {
    scheduler: Arc<Scheduler>,
    ticker: Arc<Ticker>,
    threads: Arc<Threads>,
    supervisor: Supervisor,
    detached: Arc<Detached>,
    jobs: Arc<JobTable>,
}

impl Executor {
    /// Starts the threads. Sockets and timers that guests use live on the runtime `io`; `tick` is
    /// called once every slice while there are jobs.
    ///
    /// # Errors
    /// If the system refuses a thread.
    pub fn start(
        config: &ExecutorConfig,
        io: &tokio::runtime::Handle,
        tick: impl Fn() + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let thresholds = Thresholds::new(config.busy_after, config.hog_after);
        let scheduler = Arc::new(Scheduler::new(config.threads, thresholds, monotonic_ns));
        let ticker = Ticker::start(config.slice, tick)?;
        let priorities = Priorities { busy_nice: config.busy_nice, hog: config.hog_priority };
        let cores = if config.pin_threads { Cores::allowed() } else { Cores::any() };
        let threads = Arc::new(Threads::start(config.threads, &scheduler, priorities, cores, io)?);
        let detached = Arc::<Detached>::default();
        let supervisor = Supervisor::start(threads.clone(), ticker.clone(), detached.clone())?;
        Ok(Self { scheduler, ticker, threads, supervisor, detached, jobs: Arc::default() })
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
        // One handler for now: its jobs share one turn.
        let context = JobContext::new(0, budget, exchange);
        let number = self.jobs.number();
        let listed = (number.get(), context.clone());
        // The permit returns before the job is struck off: who sees no job may rely on it.
        let permit = (permit, self.ticker.busy(), number);
        let (handle, job) = JobHandle::prepare(&self.scheduler, &self.detached, context, guest, permit);
        let (number, context) = listed;
        self.jobs.list(number, context, handle.waker().clone());
        job.schedule();
        handle
    }

    /// The live jobs, part by part: a caller on an I/O thread can let others in between.
    pub fn live_jobs(&self) -> impl Iterator<Item = Vec<LiveJob>> + Send + '_ {
        self.jobs.live()
    }

    /// How many live jobs there are in each class, by its name.
    pub fn count_jobs(&self) -> [(&'static str, u64); 3] {
        self.jobs.count_by_class()
    }

    /// Ends a job by its number, wherever it is: its client is answered at once, its guest is gone
    /// after its slice, or its host call. None if there is no such job.
    pub fn kill(&self, number: u64) -> Option<LiveJob> {
        self.jobs.kill(number, &self.scheduler)
    }

    /// Ends every job and waits for the threads: a slice at most, or one host call.
    pub fn stop(&self) {
        self.supervisor.stop();
        self.scheduler.close();
        self.threads.join();
        self.scheduler.clear();
        self.detached.close();
        self.ticker.stop();
    }

    /// Whether guests can be preempted: the threads are alive and the ticker is on time.
    pub fn healthy(&self) -> bool {
        self.ticker_healthy() && self.threads_alive()
    }

    /// Whether ticks come, or none is due.
    pub fn ticker_healthy(&self) -> bool {
        self.ticker.healthy()
    }

    /// Whether no executor thread is missing.
    pub fn threads_alive(&self) -> bool {
        self.threads.all_alive()
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        self.stop();
    }
}
