//! The threads that poll guests: as many in each class as `--threads`.

use super::affinity::{self, Cores};
use super::class::Class;
use super::priority::Priorities;
use super::scheduler::Scheduler;
use crate::telemetry::log_from_low_priority;
use std::io;
use std::num::NonZeroU32;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// Executor threads, named by class (`fresh-0`, `hog-1`…).
pub(super) struct Threads {
    seats: Vec<Arc<Seat>>,
    io: tokio::runtime::Handle,
}

/// One thread's place, taken again by another if the thread dies.
struct Seat {
    class: Class,
    shard: usize,
    core: Option<usize>,
    priorities: Priorities,
    scheduler: Arc<Scheduler>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Threads {
    pub(super) fn start(
        count: NonZeroU32,
        scheduler: &Arc<Scheduler>,
        priorities: Priorities,
        cores: Cores,
        io: &tokio::runtime::Handle,
    ) -> io::Result<Self> {
        let shards = || 0..count.get() as usize;
        let places = Class::ALL.into_iter().flat_map(|class| shards().map(move |shard| (class, shard)));
        let seat = |(class, shard)| {
            let (scheduler, thread) = (scheduler.clone(), Mutex::new(None));
            Arc::new(Seat { class, shard, core: cores.of(shard), priorities, scheduler, thread })
        };
        let threads = Self { seats: places.map(seat).collect(), io: io.clone() };
        threads.revive()?;
        Ok(threads)
    }

    /// Starts every thread that does not run; returns how many that were.
    ///
    /// # Errors
    /// If the system refuses a thread.
    pub(super) fn revive(&self) -> io::Result<usize> {
        let mut revived = 0;
        for seat in &self.seats {
            let mut running = seat.lock();
            if running.as_ref().is_none_or(JoinHandle::is_finished) {
                let name = format!("{}-{}", seat.class.name(), seat.shard);
                let (seat, io) = (seat.clone(), self.io.clone());
                let thread = std::thread::Builder::new().name(name);
                *running = Some(thread.spawn(move || seat.run(&io))?);
                revived += 1;
            }
        }
        Ok(revived)
    }

    pub(super) fn all_alive(&self) -> bool {
        self.seats.iter().all(|seat| seat.lock().as_ref().is_some_and(|thread| !thread.is_finished()))
    }

    /// Waits for threads whose scheduler was closed: a slice at most, or one host call.
    pub(super) fn join(&self) {
        for seat in &self.seats {
            let thread = seat.lock().take();
            // A thread that died took its job with it, which was reported then.
            let _ = thread.map(JoinHandle::join);
        }
    }
}

impl Seat {
    fn lock(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.thread.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, io: &tokio::runtime::Handle) {
        if let Err(why) = self.priorities.apply(self.class)
            && self.scheduler.flatten()
        {
            tracing::warn!(
                why,
                "no priorities for executor threads; ordering guests by CPU time in one class"
            );
        }
        if let Some(core) = self.core {
            affinity::pin(core);
        }
        if self.class != Class::Fresh {
            log_from_low_priority();
        }
        self.scheduler.sit(self.class, self.shard);
        let _io = io.enter();
        while let Some(job) = self.scheduler.next(self.class, self.shard) {
            fail::fail_point!("executor_thread", |_| job.metadata().lose());
            // The job catches its guest's panics itself; what is left are drops of cancelled ones.
            let _ = catch_unwind(AssertUnwindSafe(|| job.run()));
        }
    }
}
