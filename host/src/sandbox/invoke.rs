//! One request through one instance: made, called, and gone, whatever the guest does.

use super::answer::{Answer, GuestHead};
use super::body::BodyError;
use super::budget::Budget;
use super::handler::Handler;
use super::state::HostState;
use super::trap::{self, Stage};
use crate::outcome::{Outcome, Reason};
use crate::telemetry::Exchange;
use bytes::Bytes;
use http::StatusCode;
use http_body::Body;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::oneshot;
use wasmtime::{Store, UpdateDeadline};
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;

/// Serves `request` with a fresh instance of `handler`. The response's head goes out through
/// `answer` as soon as the guest sets it; without one, `answer` closes, and the exchange says why.
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
    let mut store = match store(&handler, &budget, &exchange) {
        Ok(store) => store,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "cannot make a store");
            exchange.fail(Reason::InstantiationFailed);
            return;
        }
    };
    let call = drive(&handler, &mut store, request, &mut answer);
    let ended = tokio::time::timeout_at(deadline, call).await;
    let failure = match ended {
        Ok(Ok(())) => None,
        Ok(Err(failure)) => Some(failure),
        Err(_) => Some(Failure::Late),
    };
    if let Some(failure) = failure {
        // The outcome is recorded before the store goes: whoever waits for head or body sees them
        // close when it does, and asks the exchange why.
        failure.record(store.data(), &handler);
    }
    if budget.demoted() {
        // Taking the instance down locks what every request needs: not on a thread of low priority.
        budget.finish();
        YieldOnce::default().await;
    }
    drop(store);
}

/// What kept a guest from doing its part.
enum Failure {
    /// It did not return in time.
    Late,
    /// The call failed.
    Call(wasmtime::Error, Stage),
}

impl Failure {
    fn record(&self, state: &HostState, handler: &Handler) {
        match self {
            Self::Late => conclude(Reason::GuestTimeout, None, state, handler),
            Self::Call(error, stage) => {
                let reason = trap::classify(error, *stage, state.limiter.refused());
                conclude(reason, Some(error), state, handler);
            }
        }
    }
}

/// Ends the exchange for `reason`, unless the guest's answer was finished before: then it stands, and
/// only the log and the counters know what came after. What happened inside the guest goes to the log
/// and nowhere else.
fn conclude(reason: Reason, error: Option<&wasmtime::Error>, state: &HostState, handler: &Handler) {
    // Either the guest finished its answer, or all that it declared has reached the client: then the
    // connection lets go of the body, and the guest cannot finish it any more.
    let answered = state.response.answered() || state.exchange.outcome() == Some(Outcome::Answered);
    let (reason, what) = match answered {
        true => {
            let reason = after_answer(reason);
            state.exchange.ended_after_answer(reason);
            (reason, "guest failed after its answer")
        }
        false => (state.exchange.fail(reason), "guest failed"),
    };
    // That a budget is spent is told by the request's own lines.
    if error.is_some()
        && let Some(untold) = handler.failures.admit()
    {
        let details = error.map(trap::describe);
        tracing::warn!(request_id = %state.exchange.head.id, handler = &*state.exchange.head.handler,
            reason = reason.label(), untold, details, "{what}");
    }
}

/// What a failure is called that comes after the answer: whichever budget bounds the work there, it is
/// that work's time which is up.
fn after_answer(reason: Reason) -> Reason {
    match reason.status() {
        StatusCode::GATEWAY_TIMEOUT => Reason::PostReturnTimeout,
        _ => reason,
    }
}

async fn drive<B>(
    handler: &Handler,
    store: &mut Store<HostState>,
    request: http::Request<B>,
    answer: &mut Option<oneshot::Sender<GuestHead>>,
) -> Result<(), Failure>
where
    B: Body<Data = Bytes, Error = BodyError> + Send + 'static,
{
    fail::fail_point!("invoke");
    let at = |stage| move |error| Failure::Call(error, stage);
    let proxy = handler.pre.instantiate_async(&mut *store).await.map_err(at(Stage::Instantiate))?;
    let state = store.data_mut();
    let answer = Answer::new(answer.take(), state.response.sent.clone(), state.exchange.clone());
    // The connection's own word: a plain one says nothing.
    let scheme = match request.extensions().get::<http::uri::Scheme>() {
        Some(scheme) if *scheme == http::uri::Scheme::HTTPS => Scheme::Https,
        Some(_) | None => Scheme::Http,
    };
    let mut http = state.http();
    let request = http.new_incoming_request(scheme, request).map_err(at(Stage::Handle))?;
    let outparam = http
        .new_response_outparam_from_callback(|response| answer.give(response))
        .map_err(at(Stage::Handle))?;
    let incoming = proxy.wasi_http_incoming_handler();
    incoming.call_handle(&mut *store, request, outparam).await.map_err(at(Stage::Handle))
}

fn store(
    handler: &Arc<Handler>,
    budget: &Arc<Budget>,
    exchange: &Arc<Exchange>,
) -> wasmtime::Result<Store<HostState>> {
    let limits = &handler.limits;
    let state =
        HostState::new(&handler.settings, limits, handler.next_instance(), budget.deadline, exchange.clone());
    let mut store = Store::new(handler.pre.engine(), state);
    store.limiter(|state| &mut state.limiter);
    store.set_hostcall_fuel(limits.hostcall_bytes_max);
    if let Some(fuel) = limits.fuel {
        store.set_fuel(fuel)?;
    }
    store.set_epoch_deadline(1);
    let (budget, handler) = (budget.clone(), handler.clone());
    store.epoch_deadline_callback(move |store| {
        if let Some(reason) = budget.spent() {
            conclude(reason, None, store.data(), &handler);
            // Not by a trap: unwinding and dropping the instance is left to whoever polls next, and
            // that is a thread of normal priority.
            budget.stop();
        }
        // Back to the end of the run queue: tokio's own yield could be polled again at once.
        Ok(UpdateDeadline::YieldCustom(1, Box::pin(YieldOnce::default())))
    });
    Ok(store)
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
