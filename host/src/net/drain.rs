//! Shutting down in steps: not ready any more, no new requests, then the running ones to their end, then
//! whoever is still there is cut.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use tokio::sync::{Notify, watch};

/// How far the shutdown has come.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Stage {
    Serving,
    Leaving,
    Draining,
    Cut,
}

/// The side that decides.
#[derive(Debug)]
pub struct Drain {
    stage: watch::Sender<Stage>,
    counts: Arc<Counts>,
    /// Somebody who looks after the host wants it to stop.
    asked: Notify,
}

/// The side that follows; one for each listener and connection.
#[derive(Clone, Debug)]
pub struct DrainSignal(watch::Receiver<Stage>);

/// A request that is being served, and follows the drain; it counts until it is dropped.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) drain: DrainSignal,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    running: AtomicUsize,
    /// Requests that ended after the host began to leave and before it cut the others.
    finished: AtomicUsize,
}

impl Default for Drain {
    fn default() -> Self {
        Self { stage: watch::Sender::new(Stage::Serving), counts: Arc::default(), asked: Notify::new() }
    }
}

impl Drain {
    /// Asks whoever decides to begin.
    pub(super) fn ask(&self) {
        self.asked.notify_one();
    }

    /// Waits until somebody asks. Cancel safe.
    pub async fn asked(&self) {
        self.asked.notified().await;
    }

    /// A signal for someone who has to follow.
    pub fn signal(&self) -> DrainSignal {
        DrainSignal(self.stage.subscribe())
    }

    /// Counts a request that is served from now on.
    pub(super) fn running(&self) -> Running {
        self.counts.running.fetch_add(1, Relaxed);
        Running { drain: self.signal(), counts: self.counts.clone() }
    }

    /// Says that the host is about to drain, and serves on.
    pub fn leave(&self) {
        self.stage.send_replace(Stage::Leaving);
    }

    /// Refuses new requests from now on.
    pub fn begin(&self) {
        self.stage.send_replace(Stage::Draining);
    }

    /// Ends the requests that still wait for an answer, or for the end of it; how many there were.
    pub fn cut(&self) -> usize {
        // Counted first: who is cut may be gone before one has looked.
        let running = self.counts.running.load(Relaxed);
        self.stage.send_replace(Stage::Cut);
        running
    }

    /// Waits until every signal is gone, which is when every connection is. Cancel safe.
    pub async fn over(&self) {
        self.stage.closed().await;
    }

    /// Whether the host should be sent no requests any more.
    pub fn leaving(&self) -> bool {
        *self.stage.borrow() >= Stage::Leaving
    }

    /// Whether new requests are refused.
    pub fn draining(&self) -> bool {
        *self.stage.borrow() >= Stage::Draining
    }

    /// Requests that ended by themselves since the host began to leave.
    pub fn finished(&self) -> usize {
        self.counts.finished.load(Relaxed)
    }
}

impl DrainSignal {
    /// Waits until new requests are refused. Cancel safe.
    pub async fn begun(&mut self) {
        self.reached(Stage::Draining).await;
    }

    /// Waits until running requests are cut. Cancel safe.
    pub async fn was_cut(&mut self) {
        self.reached(Stage::Cut).await;
    }

    async fn reached(&mut self, stage: Stage) {
        // A host that is gone without a word has cut everything, too.
        let _ = self.0.wait_for(|now| *now >= stage).await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(*self.drain.0.borrow(), Stage::Leaving | Stage::Draining) {
            self.counts.finished.fetch_add(1, Relaxed);
        }
        self.counts.running.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn stages_follow_one_another_and_the_last_signal_ends_the_drain() {
        let drain = Drain::default();
        let mut signal = drain.signal();
        assert!(!drain.leaving() && !drain.draining());
        drain.leave();
        assert!(drain.leaving() && !drain.draining());
        tokio::select! {
            biased;
            () = signal.begun() => panic!("the host serves on"),
            () = std::future::ready(()) => {}
        }
        drain.begin();
        signal.begun().await;
        assert!(drain.leaving() && drain.draining());
        drain.cut();
        signal.was_cut().await;
        tokio::select! {
            biased;
            () = drain.over() => panic!("a signal still follows"),
            () = std::future::ready(()) => {}
        }
        drop(signal);
        drain.over().await;
    }

    #[test]
    fn requests_are_finished_or_cut() {
        let drain = Drain::default();
        drop(drain.running());
        let [delayed, drained, left] = [(); 3].map(|()| drain.running());
        drain.leave();
        drop(delayed);
        drain.begin();
        drop(drained);
        assert_eq!((drain.finished(), drain.cut()), (2, 1));
        drop(left);
        assert_eq!(drain.finished(), 2, "its client did not get it");
    }
}
