//! Instances made ahead, so that a request need not wait for its own.

use super::budget::Budget;
use super::engine::Sandbox;
use super::instance::Instance;
use super::invoke::leave_low_class;
use super::session::Session;
use super::shelf::Shelf;
use crate::telemetry::Exchange;
use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

/// An instance to be made ahead.
pub struct Spare<F> {
    /// Makes it. To be polled on executor threads only, like a guest: its start function may be anything.
    pub making: F,
    /// What that may use.
    pub budget: Arc<Budget>,
    /// Where what it uses is booked.
    pub exchange: Arc<Exchange>,
}

impl Sandbox {
    /// Makes the calling thread the one that looks after instances that wait: it is unparked when there is
    /// something to do.
    pub fn keep(&self) {
        self.room.keep();
    }

    /// Whether that thread is to be unparked. To be called before it looks.
    pub fn listen(&self, listening: bool) {
        self.room.listen(listening);
    }

    /// Drops instances that have waited for too long.
    pub fn sweep(&self) {
        self.room.sweep(Instant::now());
    }

    /// Whether an instance is to be made ahead.
    pub fn lacks_spares(&self) -> bool {
        let now = Instant::now();
        self.room.shelves().iter().any(|shelf| shelf.missing(now) > 0)
    }

    /// Drops every instance that waits.
    pub fn clear(&self) {
        while self.room.evict() {}
    }

    /// The next instance to be made ahead, if one is missing and there is room for it.
    pub fn next_spare(&self) -> Option<Spare<impl Future<Output = ()> + Send + use<>>> {
        let now = Instant::now();
        let missing = |shelf: &Arc<Shelf>| shelf.missing(now) > 0;
        let shelf = self.room.shelves().into_iter().find(missing)?;
        let handler = shelf.handler()?;
        let place = self.room.enter_ahead()?;
        let mut coming = shelf.expect_one(&self.room);
        let limits = &handler.limits;
        let (name, stats) = (handler.name().clone(), handler.stats());
        let session = Session::aside(name, stats, "(warm)", limits.timeout, limits.cpu_time);
        let Session { budget, exchange } = session.clone();
        let spent = budget.clone();
        let making = async move {
            let deadline = tokio::time::Instant::from_std(session.budget.deadline);
            let Ok(mut instance) = Instance::open(&handler, place, session) else { return };
            // What fails here fails again for the request that needs it, and is told there.
            let started = tokio::time::timeout_at(deadline, instance.start(&handler)).await;
            leave_low_class(&spent).await;
            if matches!(started, Ok(Ok(()))) {
                drop(coming.shelf.put(&handler, instance));
                coming.made();
            }
        };
        Some(Spare { making, budget, exchange })
    }
}
