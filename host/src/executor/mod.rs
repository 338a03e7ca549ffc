//! The executor: the threads that poll guests, the queues that feed them and the ticker that takes
//! a thread back from a guest that does not return it. Nothing else ever polls a guest.

mod class;
mod job;
mod place;
mod priority;
mod run_queue;
mod scheduler;
mod supervisor;
mod threads;
mod ticker;
mod turns;

use crate::config::ExecutorConfig;
use crate::sandbox::Budget;
use crate::telemetry::Exchange;
use class::Thresholds;
use job::JobContext;
use priority::Priorities;
use scheduler::Scheduler;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::task::Waker;
use supervisor::Supervisor;
use threads::Threads;
use ticker::Ticker;

/// Starts jobs; dropped, it ends those that are left.
pub struct Executor {
    scheduler: Arc<Scheduler>,
    ticker: Arc<Ticker>,
    threads: Arc<Threads>,
    supervisor: Supervisor,
}

/// A job seen from outside: dropping it ends the guest at its next tick, wherever it is.
#[must_use = "dropping the handle cancels the job"]
pub struct JobHandle {
    /// None once the job goes on by itself.
    task: Option<async_task::Task<(), JobContext>>,
    waker: Waker,
    scheduler: Arc<Scheduler>,
}

impl JobHandle {
    /// Lets the job go on by itself, to the end of its budget at most.
    pub fn detach(mut self) {
        if let Some(task) = self.task.take() {
            task.detach();
        }
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
        let thresholds = Thresholds::new(config.busy_after, config.hog_after);
        let scheduler = Arc::new(Scheduler::new(config.threads, thresholds));
        let ticker = Ticker::start(config.slice, tick)?;
        let priorities = Priorities { busy_nice: config.busy_nice, hog: config.hog_priority };
        let threads = Arc::new(Threads::start(config.threads, &scheduler, priorities, io)?);
        let supervisor = Supervisor::start(threads.clone(), ticker.clone())?;
        Ok(Self { scheduler, ticker, threads, supervisor })
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
        let permit = (permit, self.ticker.busy());
        let scheduler = self.scheduler.clone();
        let schedule = move |job| scheduler.schedule(job);
        let (job, task) = async_task::Builder::new()
            .metadata(context)
            .spawn(|context| context.job(guest, permit), schedule);
        let waker = job.waker();
        job.schedule();
        JobHandle { task: Some(task), waker, scheduler: self.scheduler.clone() }
    }

    /// Ends every job and waits for the threads: a slice at most, or one host call.
    pub fn stop(&self) {
        self.supervisor.stop();
        self.scheduler.close();
        self.threads.join();
        self.scheduler.clear();
        self.ticker.stop();
    }

    /// Whether guests can be preempted: the threads are alive and the ticker is on time.
    pub fn healthy(&self) -> bool {
        self.ticker.healthy() && self.threads.all_alive()
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        self.stop();
    }
}
