//! Looks after the executor's threads: one that died is started anew within a second, whatever
//! killed it. And after jobs that nobody waits for, which end at their deadline.

use super::detached::Detached;
use super::threads::Threads;
use super::ticker::Ticker;
use std::io;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often it looks.
const PERIOD: Duration = Duration::from_millis(100);

/// The supervisor's own thread.
pub(super) struct Supervisor {
    /// Dropped to end the thread.
    running: Mutex<Option<(Sender<()>, JoinHandle<()>)>>,
}

impl Supervisor {
    pub(super) fn start(
        threads: Arc<Threads>,
        ticker: Arc<Ticker>,
        detached: Arc<Detached>,
    ) -> io::Result<Self> {
        let (stop, stopped) = channel();
        let thread = std::thread::Builder::new().name("supervisor".to_owned()).spawn(move || {
            let mut jobs = Vec::new();
            while stopped.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
                detached.sweep(&mut jobs);
                report("executor threads", threads.revive());
                report("ticker", ticker.revive().map(usize::from));
            }
        })?;
        Ok(Self { running: Mutex::new(Some((stop, thread))) })
    }

    /// Ends the supervision, so that threads may end.
    pub(super) fn stop(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((stop, thread)) = running {
            drop(stop);
            let _ = thread.join();
        }
    }
}

fn report(what: &str, revived: io::Result<usize>) {
    match revived {
        Ok(0) => {}
        Ok(count) => tracing::error!(what, count, "started anew: they had died"),
        // Tried again at the next look.
        Err(error) => tracing::error!(what, %error, "cannot be started anew"),
    }
}
