//! The thread that takes large instances down. Giving their memory back is one call into the kernel of some ten
//! milliseconds, and a `fresh` thread that makes it keeps whoever comes next waiting: here the kernel lets others pass.

use std::io;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

/// What is left to do of a job. It does not panic.
type Burial = Box<dyn FnOnce() + Send>;

/// Takes burials, and does them one after the other. Each holds its job's permit until it is done: so they are
/// bounded as jobs are.
#[derive(Debug, Default)]
pub(super) struct Reaper {
    /// None where there is no thread: then burials are done at once.
    burials: Mutex<Option<Sender<Burial>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Reaper {
    /// Starts the thread, at normal priority: a place that it gives back may be waited for.
    ///
    /// # Errors
    /// If the system refuses a thread.
    pub(super) fn start() -> io::Result<Self> {
        let (burials, waiting) = channel::<Burial>();
        let thread = std::thread::Builder::new().name("reaper".to_owned());
        let thread = thread.spawn(move || waiting.into_iter().for_each(|burial| burial()))?;
        Ok(Self { burials: Mutex::new(Some(burials)), thread: Mutex::new(Some(thread)) })
    }

    /// Has `burial` done by the thread. To be called on threads of normal priority only.
    pub(super) fn take(&self, burial: impl FnOnce() + Send + 'static) {
        let burial: Burial = Box::new(burial);
        let burials = self.burials.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let unsent = match burials {
            Some(burials) => burials.send(burial).map_err(|unsent| unsent.0).err(),
            None => Some(burial),
        };
        if let Some(burial) = unsent {
            burial();
        }
    }

    /// Waits for the burials that are left, and ends the thread.
    pub(super) fn stop(&self) {
        self.burials.lock().unwrap_or_else(PoisonError::into_inner).take();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // It ends by itself, with the last burial.
        let _ = thread.map(JoinHandle::join);
    }
}
