//! Whom an instance works for: the request that it serves, or nobody.

use super::budget::Budget;
use crate::telemetry::{Exchange, HandlerStats};
use std::sync::Arc;
use std::time::Duration;

/// A request as its instance knows it: its record, and what it may still use.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) budget: Arc<Budget>,
    pub(super) exchange: Arc<Exchange>,
}

impl Session {
    /// What is done for no request, of `what` kind, within these budgets.
    pub(super) fn aside(
        handler: Arc<str>,
        stats: &Arc<HandlerStats>,
        what: &str,
        timeout: Duration,
        cpu_time: Duration,
    ) -> Self {
        let exchange = Exchange::aside(handler, what, stats.clone());
        Self { budget: Arc::new(Budget::new(timeout, cpu_time, exchange.clone())), exchange }
    }
}
