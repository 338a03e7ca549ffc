//! One request through one instance: obtained, called, and gone or kept, whatever the guest does.

use super::answer::GuestHead;
use super::body::BodyError;
use super::budget::Budget;
use super::handler::Handler;
use super::instance::{Instance, LARGE_INSTANCE_BYTES};
use super::relay::relayed;
use super::session::Session;
use super::state::HostState;
use super::trap::{self, Stage};
use super::world::Linked;
use crate::outcome::{Outcome, Reason};
use crate::telemetry::Exchange;
use bytes::Bytes;
use http::StatusCode;
use http_body::Body;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::oneshot;

/// Tries to find a place for an instance: there is one for everybody with a permit, but who had it before may
/// not have left it yet.
const PLACE_TRIES_MAX: u32 = 5_000;
/// How many of the tries follow each other at once, and how long the others wait.
const PLACE_YIELDS: u32 = 100;
const PLACE_PAUSE: Duration = Duration::from_millis(1);

/// Serves `request` with an instance of `handler`: a fresh one, unless the handler keeps some. The response's
/// head goes out through `answer` as soon as the guest sets it; without one, `answer` closes, and the exchange
/// says why.
///
/// Ends by the budget's deadline. To be polled on executor threads only, between
/// [`Budget::begin_poll`] and [`Budget::end_poll`]. Dropping it drops the instance.
pub async fn invoke<B>(
    handler: Arc<Handler>,
    request: http::Request<B>,
    answer: oneshot::Sender<GuestHead>,
    budget: Arc<Budget>,
    exchange: Arc<Exchange>,
) where
    B: Body<Data = Bytes, Error = BodyError> + Send + 'static,
{
    let deadline = tokio::time::Instant::from_std(budget.deadline);
    // Outlives the store, also in a panic: the store records how the request ended, and whoever
    // waits for the head looks there once this closes.
    let mut answer = Some(answer);
    let session = Session { budget: budget.clone(), exchange: exchange.clone() };
    let mut instance = match obtain(&handler, session).await {
        Ok(instance) => instance,
        Err(reason) => {
            exchange.fail(reason);
            return;
        }
    };
    let call = async {
        fail::fail_point!("invoke");
        instance.start(&handler).await?;
        instance.call(request, &mut answer).await
    };
    let ended = {
        // Pinned here, and handed on by reference: by value, each who waits for it would have room for it, and the
        // whole is moved when it becomes a job.
        let mut call = pin!(tokio::time::timeout_at(deadline, call));
        match (&handler.shelf, handler.linked(None)) {
            (Some(_), _) | (None, Linked::P3(_)) => relayed(&budget, call.as_mut()).await,
            (None, Linked::P2(_)) => call.as_mut().await,
        }
    };
    let failure = match ended {
        Ok(Ok(())) => None,
        Ok(Err(failure)) => Some(failure),
        Err(_) => Some(Failure::Late),
    };
    if let Some(failure) = &failure {
        // The outcome is recorded before the store goes: whoever waits for head or body sees them
        // close when it does, and asks the exchange why.
        failure.record(instance.store.data(), &handler);
    }
    leave_low_class(&budget).await;
    let unfit = match (&handler.shelf, failure) {
        (Some(shelf), None) => shelf.put(&handler, instance),
        (Some(_), Some(_)) | (None, _) => Some(instance),
    };
    if let Some(shelf) = &handler.shelf
        && shelf.runs_low()
    {
        handler.room.nudge();
    }
    if let Some(instance) = unfit {
        take_down(instance, &budget).await;
    }
}

/// Drops an instance that is not needed any more; a large one is left to whoever drops the job.
async fn take_down(instance: Instance, budget: &Budget) {
    if instance.store.data().limiter.bytes() >= LARGE_INSTANCE_BYTES {
        budget.stop();
        YieldOnce::default().await;
    }
    drop(instance);
}

/// Goes on where taking an instance down, which locks what every request needs, keeps nobody waiting: not on a
/// thread of low priority. The guest is not to be polled any more.
pub(super) async fn leave_low_class(budget: &Budget) {
    if budget.demoted() {
        budget.finish();
        YieldOnce::default().await;
    }
}

/// An instance for `session`: one that waits, or else a new one, which is to be started yet.
pub(super) async fn obtain(handler: &Handler, session: Session) -> Result<Instance, Reason> {
    if let Some(shelf) = &handler.shelf
        && let Some(instance) = shelf.take(handler, &session)
    {
        return Ok(instance);
    }
    let mut tries = 0;
    let place = loop {
        match handler.room.enter() {
            Some(place) => break place,
            None if handler.room.evict() => {}
            None if tries == PLACE_TRIES_MAX => return Err(Reason::PoolExhausted),
            None if tries < PLACE_YIELDS => YieldOnce::default().await,
            None => tokio::time::sleep(PLACE_PAUSE).await,
        }
        tries += 1;
    };
    Instance::open(handler, place, session).map_err(|error| {
        tracing::error!(error = format!("{error:#}"), "cannot make a store");
        Reason::InstantiationFailed
    })
}

/// What kept a guest from doing its part.
pub(super) enum Failure {
    /// It did not return in time.
    Late,
    /// The call failed.
    Call(wasmtime::Error, Stage),
}

impl Failure {
    /// Ends the request that the instance works for. What happened inside the guest goes to the log and
    /// nowhere else.
    pub(super) fn record(&self, state: &HostState, handler: &Handler) {
        let exchange = &state.session.exchange;
        let (error, stage) = match self {
            Self::Late => {
                conclude(Reason::GuestTimeout, state, exchange);
                return;
            }
            Self::Call(error, stage) => (error, *stage),
        };
        let reason = trap::classify(error, stage, state.limiter.refused());
        let (reason, what) = conclude(reason, state, exchange);
        // That a budget is spent is told by the request's own lines.
        if let Some(untold) = handler.failures.admit() {
            let details = trap::describe(error);
            tracing::warn!(request_id = %exchange.head.id, handler = &*exchange.head.handler,
                reason = reason.label(), untold, details, "{what}");
        }
    }
}

/// Ends the exchange for `reason`, unless the guest's answer was finished before: then it stands, and
/// only the log and the counters know what came after. Returns the reason that stands and what it means.
pub(super) fn conclude(reason: Reason, state: &HostState, exchange: &Exchange) -> (Reason, &'static str) {
    // Either the guest finished its answer, or all that it declared has reached the client: then the
    // connection lets go of the body, and the guest cannot finish it any more.
    let answered = state.answered() || exchange.outcome() == Some(Outcome::Answered);
    if answered {
        let reason = after_answer(reason);
        exchange.ended_after_answer(reason);
        return (reason, "guest failed after its answer");
    }
    (exchange.fail(reason), "guest failed")
}

/// What a failure is called that comes after the answer: whichever budget bounds the work there, it is
/// that work's time which is up.
pub(super) fn after_answer(reason: Reason) -> Reason {
    match reason.status() {
        StatusCode::GATEWAY_TIMEOUT => Reason::PostReturnTimeout,
        _ => reason,
    }
}

/// What a guest waits for that was interrupted: that its job has been at the end of the run queue. tokio's own yield
/// could be polled again at once.
pub(super) fn end_slice(budget: &Budget) -> impl Future<Output = ()> + Send + use<> {
    budget.tick();
    YieldOnce::default()
}

/// Pending once, and ready to be polled again at once.
#[derive(Default)]
struct YieldOnce {
    yielded: bool,
}

impl Future for YieldOnce {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.yielded {
            return Poll::Ready(());
        }
        self.yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
