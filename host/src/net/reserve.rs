//! Connections beyond `--max-connections`: a few, for a moment, so that `/health` and `/ready` answer
//! while others hold all there are, and everyone else is told why they are turned away.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

/// Reserved connections open at once. Whoever comes when all are taken takes the place of the oldest:
/// so nobody can hold them against the next one.
const CONNECTIONS_MAX: usize = 32;
/// How long one may last.
const TIME_MAX: Duration = Duration::from_secs(5);

/// The reserved connections that are open.
#[derive(Debug)]
pub(super) struct Reserve {
    places: Arc<Semaphore>,
    /// The oldest first; [`CONNECTIONS_MAX`] at most.
    open: VecDeque<AbortHandle>,
}

impl Reserve {
    pub(super) fn new() -> Self {
        Self { places: Arc::new(Semaphore::new(CONNECTIONS_MAX)), open: VecDeque::new() }
    }

    /// Runs `connection` in a place of the reserve, if need be in that of the oldest. Waits no longer
    /// than that takes to be dropped.
    pub(super) async fn serve(&mut self, connection: impl Future<Output = ()> + Send + 'static) {
        self.open.retain(|connection| !connection.is_finished());
        if self.open.len() == CONNECTIONS_MAX
            && let Some(oldest) = self.open.pop_front()
        {
            oldest.abort();
        }
        let place = self.places.clone().acquire_owned().await;
        let place = place.expect("reserved places: the semaphore is never closed");
        let connection = Handle::current().spawn(async move {
            let _place = place;
            // Whoever takes longer has nothing to be told.
            let _ = tokio::time::timeout(TIME_MAX, connection).await;
        });
        self.open.push_back(connection.abort_handle());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use tokio::time::Instant;

    /// Counts the connections that are open.
    struct Open(Arc<AtomicUsize>);

    impl Drop for Open {
        fn drop(&mut self) {
            self.0.fetch_sub(1, SeqCst);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_newest_always_finds_a_place_and_none_stays() {
        let (count, mut reserve) = (Arc::new(AtomicUsize::new(0)), Reserve::new());
        let began = Instant::now();
        for _ in 0..10 * CONNECTIONS_MAX {
            count.fetch_add(1, SeqCst);
            let open = Open(count.clone());
            reserve
                .serve(async move {
                    let _open = open;
                    std::future::pending::<()>().await;
                })
                .await;
            assert!(count.load(SeqCst) <= CONNECTIONS_MAX && reserve.open.len() <= CONNECTIONS_MAX);
        }
        assert!(began.elapsed() < TIME_MAX, "{:?}", began.elapsed());
        tokio::time::sleep(2 * TIME_MAX).await;
        assert_eq!(count.load(SeqCst), 0);
    }
}
