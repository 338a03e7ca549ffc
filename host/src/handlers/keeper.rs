//! Looks after the instances that wait for requests: those that have waited for too long go, and new ones are
//! made ahead while the executor has time. A thread of its own, which sleeps while there is nothing to do.

use crate::executor::{Executor, HandlerKey};
use crate::sandbox::{Sandbox, Spare};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often it looks if nobody calls it.
const PERIOD: Duration = Duration::from_millis(100);
/// How often it looks while the executor is busy: being called by every request would cost them more than what
/// is made ahead saves.
const BUSY_PERIOD: Duration = Duration::from_millis(5);
/// How long the executor has to have had nothing to do. Under load its threads pause, too, but what is made in
/// such a pause keeps the next request waiting, and saves nothing: all instances are made anyway.
const REST: Duration = Duration::from_millis(1);
/// All that is made ahead takes turns as one handler, which no other is.
const AHEAD: HandlerKey = HandlerKey::MAX;

/// The thread; ends when it is dropped.
pub struct Keeper {
    sandbox: Arc<Sandbox>,
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Starts it.
    ///
    /// # Errors
    /// If the system refuses a thread.
    pub fn start(sandbox: &Arc<Sandbox>, executor: &Arc<Executor>) -> io::Result<Self> {
        let stopped = Arc::<AtomicBool>::default();
        let thread = std::thread::Builder::new().name("keeper".to_owned());
        let thread = thread.spawn({
            let (sandbox, executor, stopped) = (sandbox.clone(), executor.clone(), stopped.clone());
            move || {
                sandbox.keep();
                while !stopped.load(SeqCst) {
                    let period = look(&sandbox, &executor);
                    std::thread::park_timeout(period);
                }
            }
        })?;
        Ok(Self { sandbox: sandbox.clone(), stopped, thread: Some(thread) })
    }
}

/// Looks after what there is, and returns when to look again if nobody calls before.
fn look(sandbox: &Sandbox, executor: &Executor) -> Duration {
    sandbox.listen(true);
    sandbox.sweep();
    if !sandbox.lacks_spares() {
        return PERIOD;
    }
    // What is missing for want of time only time brings, and no call.
    sandbox.listen(false);
    if !rests(executor) {
        return BUSY_PERIOD;
    }
    sandbox.listen(true);
    make_ahead(sandbox, executor);
    PERIOD
}

/// Whether the executor has nothing to do, now and for [`REST`].
fn rests(executor: &Executor) -> bool {
    let before = executor.resting();
    before.is_some() && {
        std::thread::park_timeout(REST);
        executor.resting() == before
    }
}

/// Starts what is missing, as long as a thread would only sleep otherwise.
fn make_ahead(sandbox: &Sandbox, executor: &Executor) {
    while executor.has_time()
        && let Some(Spare { making, budget, exchange }) = sandbox.next_spare()
    {
        executor.spawn(AHEAD, making, budget, exchange, ()).detach();
    }
}

impl Drop for Keeper {
    /// Waits for it, and has every instance that waits go.
    fn drop(&mut self) {
        self.stopped.store(true, SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
        self.sandbox.clear();
    }
}
