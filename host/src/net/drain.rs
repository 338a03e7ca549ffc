//! Shutting down in steps: no new requests, then the running ones to their end, then whoever is
//! still there is cut.

use tokio::sync::watch;

/// How far the shutdown has come.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Stage {
    Serving,
    Draining,
    Cut,
}

/// The side that decides.
#[derive(Debug)]
pub struct Drain(watch::Sender<Stage>);

/// The side that follows; one for each listener, connection and request.
#[derive(Clone, Debug)]
pub struct DrainSignal(watch::Receiver<Stage>);

impl Default for Drain {
    fn default() -> Self {
        Self(watch::Sender::new(Stage::Serving))
    }
}

impl Drain {
    /// A signal for someone who has to follow.
    pub fn signal(&self) -> DrainSignal {
        DrainSignal(self.0.subscribe())
    }

    /// Refuses new requests from now on.
    pub fn begin(&self) {
        self.0.send_replace(Stage::Draining);
    }

    /// Ends the requests that still wait for an answer.
    pub fn cut(&self) {
        self.0.send_replace(Stage::Cut);
    }

    /// Waits until every signal is gone, which is when every connection is. Cancel safe.
    pub async fn finished(&self) {
        self.0.closed().await;
    }

    /// Whether new requests are refused.
    pub fn draining(&self) -> bool {
        *self.0.borrow() >= Stage::Draining
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn stages_follow_one_another_and_the_last_signal_ends_the_drain() {
        let drain = Drain::default();
        let mut signal = drain.signal();
        assert!(!drain.draining());
        drain.begin();
        signal.begun().await;
        assert!(drain.draining());
        drain.cut();
        signal.was_cut().await;
        tokio::select! {
            biased;
            () = drain.finished() => panic!("a signal still follows"),
            () = std::future::ready(()) => {}
        }
        drop(signal);
        drain.finished().await;
    }
}
