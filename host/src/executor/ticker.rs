//! The ticker: an OS thread that advances the epoch once every slice, so that preemption depends on
//! no runtime and no guest. It sleeps while there is nothing to preempt.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Ticks without a job before the ticker goes to sleep: waking it costs a fresh request more than
/// a few idle ticks cost the machine.
const IDLE_TICKS_MAX: u32 = 100;
/// How late a tick may be before the ticker counts as stale.
const STALE_AFTER: Duration = Duration::from_secs(1);

/// Shared by the ticker's thread and everyone who has work for it.
pub(super) struct Ticker {
    slice: Duration,
    tick: Box<dyn Fn() + Send + Sync>,
    busy: AtomicUsize,
    asleep: AtomicBool,
    stopped: AtomicBool,
    started: Instant,
    /// Milliseconds from the start to the last tick.
    last_tick_ms: AtomicU64,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// Keeps the ticker awake while it lives.
pub(super) struct Busy(Arc<Ticker>);

impl Ticker {
    pub(super) fn start(slice: Duration, tick: impl Fn() + Send + Sync + 'static) -> io::Result<Arc<Self>> {
        let ticker = Arc::new(Self {
            slice,
            tick: Box::new(tick),
            busy: AtomicUsize::new(0),
            asleep: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            started: Instant::now(),
            last_tick_ms: AtomicU64::new(0),
            thread: Mutex::new(None),
        });
        ticker.revive()?;
        Ok(ticker)
    }

    /// Starts the thread if it does not run; returns whether it had to.
    ///
    /// # Errors
    /// If the system refuses a thread.
    pub(super) fn revive(self: &Arc<Self>) -> io::Result<bool> {
        let mut running = lock(&self.thread);
        if self.stopped.load(SeqCst) || running.as_ref().is_some_and(|thread| !thread.is_finished()) {
            return Ok(false);
        }
        let shared = self.clone();
        self.asleep.store(false, SeqCst);
        let thread = std::thread::Builder::new().name("ticker".to_owned());
        *running = Some(thread.spawn(move || shared.run())?);
        Ok(true)
    }

    /// Announces work that must be preempted.
    pub(super) fn busy(self: &Arc<Self>) -> Busy {
        self.busy.fetch_add(1, SeqCst);
        // Either the ticker sees the new count before it parks, or this sees it asleep.
        if self.asleep.load(SeqCst) {
            self.wake();
        }
        Busy(self.clone())
    }

    /// Whether ticks come, or none is due.
    pub(super) fn healthy(&self) -> bool {
        let late = || {
            let last = Duration::from_millis(self.last_tick_ms.load(Relaxed));
            self.started.elapsed().saturating_sub(last) > STALE_AFTER
        };
        let alive = lock(&self.thread).as_ref().is_some_and(|thread| !thread.is_finished());
        alive && (self.asleep.load(SeqCst) || !late())
    }

    /// Ends the thread and waits for it.
    pub(super) fn stop(&self) {
        self.stopped.store(true, SeqCst);
        self.wake();
        if let Some(thread) = lock(&self.thread).take() {
            let _ = thread.join();
        }
    }

    fn wake(&self) {
        if let Some(thread) = &*lock(&self.thread) {
            thread.thread().unpark();
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the ticker is the one thread whose work is to sleep")]
    fn run(&self) {
        let mut idle_ticks = 0;
        while !self.stopped.load(SeqCst) {
            std::thread::sleep(self.slice);
            fail::fail_point!("ticker", |_| ());
            (self.tick)();
            let now_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.last_tick_ms.store(now_ms, Relaxed);
            idle_ticks = if self.busy.load(SeqCst) == 0 { idle_ticks + 1 } else { 0 };
            if idle_ticks > IDLE_TICKS_MAX {
                self.sleep_until_busy();
                idle_ticks = 0;
            }
        }
    }

    fn sleep_until_busy(&self) {
        self.asleep.store(true, SeqCst);
        while self.busy.load(SeqCst) == 0 && !self.stopped.load(SeqCst) {
            std::thread::park();
        }
        let now_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_tick_ms.store(now_ms, Relaxed);
        self.asleep.store(false, SeqCst);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, SeqCst);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    const SOON: Duration = Duration::from_secs(30);

    #[test]
    fn ticks_come_while_busy_also_after_a_long_idle_time() {
        let (tx, ticks) = mpsc::channel();
        let ticker = Ticker::start(Duration::from_micros(100), move || {
            let _ = tx.send(());
        })
        .expect("a thread");
        for _ in 0..3 {
            let busy = ticker.busy();
            for _ in 0..2 * IDLE_TICKS_MAX {
                ticks.recv_timeout(SOON).expect("a tick while busy");
            }
            assert!(ticker.healthy());
            drop(busy);
            let due = Instant::now() + SOON;
            while !ticker.asleep.load(SeqCst) {
                assert!(Instant::now() < due, "the ticker never slept");
                std::thread::yield_now();
            }
            assert!(ticker.healthy(), "a sleeping ticker is not a stale one");
            while ticks.try_recv().is_ok() {}
        }
        ticker.stop();
        assert!(!ticker.healthy());
    }
}
