//! The thread that takes large instances down. Giving their memory back is one call into the kernel of some ten
//! milliseconds, and a `fresh` thread that makes it keeps whoever comes next waiting: here the kernel lets others pass.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// Burials that may wait. More at a time than that, and the threads that serve have to help: what waits has a permit.
const WAITING_MAX: usize = 32;

/// What is left to do of a job.
type Burial = Box<dyn FnOnce() + Send>;

/// Takes burials, and does them one after the other.
#[derive(Debug, Default)]
pub(super) struct Reaper {
    /// None where there is no thread: then burials are done at once.
    burials: Mutex<Option<Sender<Burial>>>,
    waiting: Arc<AtomicUsize>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Reaper {
    /// Starts the thread, at normal priority: a place that it gives back may be waited for.
    ///
    /// # Errors
    /// If the system refuses a thread.
    pub(super) fn start() -> io::Result<Self> {
        let ((burials, coming), waiting) = (channel::<Burial>(), Arc::<AtomicUsize>::default());
        let left = waiting.clone();
        let thread = std::thread::Builder::new().name("reaper".to_owned());
        let thread = thread.spawn(move || {
            for burial in coming {
                // A guest's own panics are caught before: this is one of what goes with it.
                let _ = catch_unwind(AssertUnwindSafe(burial));
                left.fetch_sub(1, SeqCst);
            }
        })?;
        Ok(Self { burials: Mutex::new(Some(burials)), waiting, thread: Mutex::new(Some(thread)) })
    }

    /// Has `burial` done by the thread, or does it if too many wait already. To be called on threads of normal
    /// priority only.
    pub(super) fn take(&self, burial: impl FnOnce() + Send + 'static) {
        if let Err(burial) = self.send(Box::new(burial)) {
            burial();
        }
    }

    fn send(&self, burial: Burial) -> Result<(), Burial> {
        let burials = self.burials.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(burials) = burials else { return Err(burial) };
        if self.waiting.fetch_add(1, SeqCst) >= WAITING_MAX {
            self.waiting.fetch_sub(1, SeqCst);
            return Err(burial);
        }
        burials.send(burial).map_err(|unsent| {
            self.waiting.fetch_sub(1, SeqCst);
            unsent.0
        })
    }

    /// Waits for the burials that are left, and ends the thread.
    pub(super) fn stop(&self) {
        self.burials.lock().unwrap_or_else(PoisonError::into_inner).take();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // It ends by itself, with the last burial.
        let _ = thread.map(JoinHandle::join);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const SOON: Duration = Duration::from_secs(30);

    #[test]
    fn beyond_those_that_may_wait_whoever_comes_helps_and_a_panic_ends_nothing() {
        let reaper = Reaper::start().expect("a thread");
        let ((go_on, stuck), (done, burials)) = (channel::<()>(), channel());
        reaper.take(move || {
            let _ = stuck.recv_timeout(SOON);
            panic!("on its way out");
        });
        let here = std::thread::current().id();
        for _ in 0..WAITING_MAX + 4 {
            let done = done.clone();
            reaper.take(move || done.send(std::thread::current().id() == here).expect("the test waits"));
        }
        let helped = burials.try_iter().collect::<Vec<_>>();
        assert_eq!(helped, [true; 5], "with the one that is stuck there is room for one less");
        drop((go_on, done));
        let others = burials.iter().collect::<Vec<_>>();
        assert_eq!(others, [false; WAITING_MAX - 1]);
        reaper.stop();
        let (done, burials) = channel();
        reaper.take(move || done.send(()).expect("the test waits"));
        assert_eq!(burials.try_recv(), Ok(()), "without the thread it is done at once");
    }
}
