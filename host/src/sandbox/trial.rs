//! One instance that serves nothing: whether a handler can be started at all, found out before anyone asks it.

use super::budget::Budget;
use super::handler::Handler;
use super::invoke::{Failure, leave_low_class, obtain};
use super::session::Session;
use crate::outcome::Outcome;
use crate::telemetry::Exchange;
use std::sync::Arc;

/// Makes an instance of `handler` and drops it; the exchange says how that went.
///
/// Ends by the budget's deadline. To be polled as [`super::invoke`] is.
pub async fn try_instance(handler: Arc<Handler>, budget: Arc<Budget>, exchange: Arc<Exchange>) {
    let deadline = tokio::time::Instant::from_std(budget.deadline);
    let session = Session { budget: budget.clone(), exchange: exchange.clone() };
    let mut instance = match obtain(&handler, session).await {
        Ok(instance) => instance,
        Err(reason) => {
            exchange.fail(reason);
            return;
        }
    };
    let failure = match tokio::time::timeout_at(deadline, instance.start(&handler)).await {
        Ok(Ok(())) => None,
        Ok(Err(failure)) => Some(failure),
        Err(_) => Some(Failure::Late),
    };
    match failure {
        None => {
            exchange.end(Outcome::Answered);
        }
        Some(failure) => failure.record(instance.store.data(), &handler),
    }
    leave_low_class(&budget).await;
    drop(instance);
}
