//! What a request does while a shared instance serves it: it waits, for its own time.

use super::driver::{self, Work};
use super::{Arrival, Done, Seat, Shared};
use crate::outcome::{Outcome, Reason};
use crate::sandbox::answer::GuestHead;
use crate::sandbox::body::BodyError;
use crate::sandbox::budget::Budget;
use crate::sandbox::handler::Handler;
use crate::sandbox::invoke::{invoke, leave_low_class};
use crate::sandbox::session::Session;
use crate::telemetry::Exchange;
use bytes::Bytes;
use http_body::Body;
use http_body_util::BodyExt;
use std::any::Any;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use tokio::sync::oneshot;

/// Serves `request` with an instance of `handler` that serves others at the same time; `launch` starts the job
/// that drives it, if that is a new one, and returns its handle. Like [`invoke`] in all else: one whose instance
/// is lost before the guest has seen it is served by an instance of its own.
pub fn share<B>(
    handler: Arc<Handler>,
    request: http::Request<B>,
    answer: oneshot::Sender<GuestHead>,
    budget: Arc<Budget>,
    exchange: Arc<Exchange>,
    launch: &dyn Fn(Work) -> Box<dyn Any + Send>,
) -> impl Future<Output = ()> + Send + use<B>
where
    B: Body<Data = Bytes, Error = BodyError> + Send + 'static,
{
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let (shared, new) = handler.crews.join(handler.settings.reuse.concurrency.get());
    let (done, told) = oneshot::channel();
    let session = Session { budget: budget.clone(), exchange: exchange.clone() };
    let number = NEXT.fetch_add(1, Relaxed);
    let request = request.map(|body| body.boxed_unsync());
    let seat = Seat { number, session, parted: Arc::default(), whole: Arc::default() };
    shared.arrive(Arrival { request, answer, seat: seat.clone(), done });
    if new {
        let job = launch(driver::work(&handler, &shared));
        shared.hold(job);
    }
    let waiting = Waiting { shared, seat };
    async move {
        let deadline = tokio::time::Instant::from_std(budget.deadline);
        match tokio::time::timeout_at(deadline, told).await {
            Ok(Ok(Done::Served)) => {}
            Ok(Ok(Done::Returned(arrival))) => {
                let Arrival { request, answer, .. } = *arrival;
                invoke(handler, request, answer, budget, exchange).await;
            }
            // The driver has said why, unless its thread is gone.
            Ok(Err(_)) if exchange.outcome() == Some(Outcome::Answered) => {}
            // All of its answer had left the guest.
            Ok(Err(_)) if waiting.seat.whole.load(SeqCst) => {}
            Ok(Err(_)) => {
                exchange.fail(Reason::InstanceLost);
            }
            Err(_) => {
                late(&exchange);
                leave_low_class(&budget).await;
                waiting.shared.overdue(number);
            }
        }
    }
}

/// Somebody who waits for what becomes of a request. Dropped before that, nobody does.
struct Waiting {
    shared: Arc<Shared>,
    seat: Seat,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.shared.abandon(&self.seat);
    }
}

/// The time of a request is up.
pub(super) fn late(exchange: &Exchange) {
    match exchange.outcome() {
        Some(Outcome::Answered) => exchange.ended_after_answer(Reason::PostReturnTimeout),
        Some(Outcome::Failed(_)) | None => {
            exchange.fail(Reason::GuestTimeout);
        }
    }
}
