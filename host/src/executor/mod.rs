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
mod reaper;
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
use reaper::Reaper;
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
pub use turns::HandlerKey;

/// Starts jobs; dropped, it ends those that are left.
pub struct Executor {
    scheduler: Arc<Scheduler>,
    ticker: Arc<Ticker>,
    threads: Arc<Threads>,
    supervisor: Supervisor,
    detached: Arc<Detached>,
    reaper: Arc<Reaper>,
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
        let reaper = Arc::new(Reaper::start()?);
        Ok(Self { scheduler, ticker, threads, supervisor, detached, reaper, jobs: Arc::default() })
    }

    /// Queues `guest`, which takes the turns of `handler`. `permit` is given back once the guest is gone, which is after it ended or
    /// its handle was dropped.
    pub fn spawn<P: Send + Unpin + 'static>(
        &self,
        handler: HandlerKey,
        guest: impl Future<Output = ()> + Send + 'static,
        budget: Arc<Budget>,
        exchange: Arc<Exchange>,
        permit: P,
    ) -> JobHandle {
        let guest = Box::pin(guest);
        let context = JobContext::new(handler, budget, exchange);
        let number = self.jobs.number();
        let listed = (number.get(), context.clone());
        // The permit returns before the job is struck off: who sees no job may rely on it.
        let permit = (permit, self.ticker.busy(), number);
        let (handle, job) =
            JobHandle::prepare(&self.scheduler, &self.detached, &self.reaper, context, guest, permit);
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

    /// Whether a thread of normal priority has nothing to do, for now.
    pub fn has_time(&self) -> bool {
        self.scheduler.has_time()
    }

    /// None while a thread of normal priority has something to do; else how many jobs there were so far, so that
    /// who looks twice sees whether there were others in between.
    pub fn resting(&self) -> Option<u64> {
        self.scheduler.rests().then(|| self.jobs.numbered())
    }

    /// Ends every job and waits for the threads: a slice at most, or one host call, and what the reaper has left to do.
    pub fn stop(&self) {
        self.supervisor.stop();
        self.scheduler.close();
        self.threads.join();
        self.scheduler.clear();
        self.detached.close();
        self.reaper.stop();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::HogPriority;
    use crate::outcome::Reason;
    use crate::sandbox::{LARGE_INSTANCE_BYTES, burn};
    use std::num::NonZeroU32;
    use std::pin::Pin;
    use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
    use std::sync::mpsc::{RecvTimeoutError, TryRecvError, channel};
    use std::time::{Duration, Instant};

    const SOON: Duration = Duration::from_secs(30);

    /// One thread of each class, and no priorities.
    fn config() -> ExecutorConfig {
        ExecutorConfig {
            threads: NonZeroU32::MIN,
            slice: Duration::from_millis(1),
            busy_after: SOON,
            hog_after: SOON,
            busy_nice: 0,
            hog_priority: HogPriority::Nice(0),
            pin_threads: false,
        }
    }

    /// What the executor says once it rests.
    fn at_rest(executor: &Executor) -> u64 {
        let due = Instant::now() + SOON;
        loop {
            if let Some(jobs) = executor.resting() {
                return jobs;
            }
            assert!(Instant::now() < due, "it never rests");
            std::thread::yield_now();
        }
    }

    /// Takes as long to drop as a test wants.
    struct Slow(std::sync::mpsc::Receiver<()>);

    impl Drop for Slow {
        fn drop(&mut self) {
            // Longer than anybody waits for what comes after it.
            let _ = self.0.recv_timeout(2 * SOON);
        }
    }

    #[test]
    fn a_large_guest_that_is_taken_down_keeps_nobody_waiting_but_its_permit() {
        let io = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let executor = Executor::start(&config(), io.handle(), || {}).expect("threads");
        let failed = Exchange::sample();
        failed.memory(LARGE_INSTANCE_BYTES);
        let spawn = |exchange: Arc<Exchange>, guest: Pin<Box<dyn Future<Output = ()> + Send>>, permit| {
            let budget = Arc::new(Budget::new(SOON, SOON, exchange.clone()));
            executor.spawn(1, guest, budget, exchange, permit)
        };
        let ((go_on, stuck), (permit, returned)) = (channel(), channel::<()>());
        let slow = Slow(stuck);
        let large = spawn(
            failed.clone(),
            Box::pin(async move {
                std::future::pending::<()>().await;
                drop(slow)
            }),
            Some(permit),
        );
        failed.fail(Reason::MemoryLimit);
        let told = large.killed();
        drop(large);
        let (done, gone) = channel::<()>();
        let small = spawn(Exchange::sample(), Box::pin(async move { drop(done) }), None);
        let waited = gone.recv_timeout(SOON);
        assert_eq!(waited, Err(RecvTimeoutError::Disconnected), "the one thread has time for others");
        let told = io.block_on(async { tokio::time::timeout(SOON, told).await });
        assert_eq!(told, Ok(()), "who waits for its answer is told that there is none");
        assert_eq!(returned.try_recv(), Err(TryRecvError::Empty), "the permit is not back before it is gone");
        drop(go_on);
        assert_eq!(returned.recv_timeout(SOON), Err(RecvTimeoutError::Disconnected));
        drop(small);
    }

    /// Takes long to drop, and tells that it did.
    struct Costly(Arc<AtomicBool>);

    impl Drop for Costly {
        fn drop(&mut self) {
            burn(LONG);
            self.0.store(true, SeqCst);
        }
    }

    const LONG: Duration = Duration::from_millis(20);

    #[test]
    fn nobody_pays_for_a_guest_that_was_cancelled() {
        let io = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let executor = Executor::start(&config(), io.handle(), || {}).expect("threads");
        let spawn = |guest: Pin<Box<dyn Future<Output = ()> + Send>>, permit| {
            let exchange = Exchange::sample();
            let budget = Arc::new(Budget::new(SOON, SOON, exchange.clone()));
            (executor.spawn(1, guest, budget, exchange.clone(), permit), exchange)
        };
        let dropped = Arc::<AtomicBool>::default();
        let costly = Costly(dropped.clone());
        let (cancelled, _) = spawn(
            Box::pin(async move {
                std::future::pending::<()>().await;
                drop(costly)
            }),
            None,
        );
        // Both others are queued while the one thread is busy, so that it goes from one to the next.
        let ((begin, begun), (open, gate)) = (channel(), channel::<()>());
        let first = spawn(
            Box::pin(async move {
                let _ = begin.send(());
                let _ = gate.recv();
            }),
            None,
        );
        begun.recv_timeout(SOON).expect("the thread comes to it");
        drop(cancelled);
        let (permit, gone) = channel::<()>();
        let (next, paid) = spawn(Box::pin(async move { assert!(dropped.load(SeqCst)) }), Some(permit));
        drop(open);
        assert_eq!(gone.recv_timeout(SOON), Err(RecvTimeoutError::Disconnected));
        assert_eq!(paid.failure(), None, "the cancelled one comes first");
        assert!(Duration::from_nanos(paid.cpu_ns()) < LONG);
        drop((first, next));
    }

    #[test]
    fn there_is_no_rest_beside_a_job_and_a_second_look_tells_of_one_in_between() {
        let io = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let executor = Executor::start(&config(), io.handle(), || {}).expect("threads");
        let before = at_rest(&executor);
        let ((begin, begun), (go_on, wait)) = (channel(), channel::<()>());
        let exchange = Exchange::sample();
        let budget = Arc::new(Budget::new(SOON, SOON, exchange.clone()));
        let guest = async move {
            let _ = begin.send(());
            let _ = wait.recv();
        };
        let job = executor.spawn(1, guest, budget, exchange, ());
        begun.recv_timeout(SOON).expect("the job runs");
        assert_eq!(executor.resting(), None);
        drop(go_on);
        assert_ne!(at_rest(&executor), before);
        drop(job);
    }
}
