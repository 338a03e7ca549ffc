//! One request through one instance: made, called, and gone, whatever the guest does.

use super::body::{BodyError, ResponseBody};
use super::budget::Budget;
use super::handler::Handler;
use super::state::HostState;
use super::trap::{self, Stage};
use crate::outcome::Reason;
use crate::telemetry::{Exchange, escaped};
use bytes::Bytes;
use http_body::Body;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering::Acquire;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use tokio::sync::oneshot;
use wasmtime::{Store, UpdateDeadline};
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;

/// The head of a guest's response, with the body that follows.
pub type GuestHead = http::Response<ResponseBody>;

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
    let mut store = match store(&handler, &budget, &exchange) {
        Ok(store) => store,
        Err(error) => return log(&error, exchange.fail(Reason::InstantiationFailed), &exchange, &handler),
    };
    let call = drive(&handler, &mut store, request, answer);
    let ended = tokio::time::timeout_at(deadline, call).await;
    let failure = match ended {
        Ok(Ok(())) => None,
        Ok(Err(failure)) => Some(failure),
        Err(_) => Some(Failure::Guest(Reason::GuestTimeout)),
    };
    if let Some(failure) = failure {
        // The outcome is recorded before the store goes: whoever waits for head or body sees them
        // close when it does, and asks the exchange why.
        failure.record(store.data(), &exchange, &handler);
    }
    drop(store);
}

/// What kept a guest from doing its part.
enum Failure {
    /// It returned without an answer, or did not return in time.
    Guest(Reason),
    /// The call failed.
    Call(wasmtime::Error, Stage),
}

impl Failure {
    /// Ends the exchange with this failure, unless the guest's answer was finished before: then it
    /// stands, and only the log knows what came after.
    fn record(&self, state: &HostState, exchange: &Exchange, handler: &Handler) {
        let reason = match self {
            Self::Guest(reason) => *reason,
            Self::Call(error, stage) => {
                state.stopped.unwrap_or_else(|| trap::classify(error, *stage, state.limiter.refused()))
            }
        };
        if state.response.finished.load(Acquire) {
            tracing::warn!(request_id = %exchange.head.id, handler = &*exchange.head.handler,
                reason = reason.label(), "guest failed after its answer");
            return;
        }
        let reason = exchange.fail(reason);
        if let Self::Call(error, _) = self
            && state.stopped.is_none()
        {
            log(error, reason, exchange, handler);
        }
    }
}

async fn drive<B>(
    handler: &Handler,
    store: &mut Store<HostState>,
    request: http::Request<B>,
    answer: oneshot::Sender<GuestHead>,
) -> Result<(), Failure>
where
    B: Body<Data = Bytes, Error = BodyError> + Send + 'static,
{
    fail::fail_point!("invoke");
    let at = |stage| move |error| Failure::Call(error, stage);
    let proxy = handler.pre.instantiate_async(&mut *store).await.map_err(at(Stage::Instantiate))?;
    let finished = store.data().response.finished.clone();
    let missing = Arc::new(Mutex::new(Some(Reason::GuestNoResponse)));
    let on_response = {
        let missing = missing.clone();
        move |response: Result<http::Response<_>, _>| {
            let refused = match response {
                Ok(response) if response.status().is_informational() => Some(Reason::GuestBadResponse),
                Ok(response) => {
                    // Nobody listening means that the client went away, which others record.
                    let _ = answer.send(response.map(|body| ResponseBody::new(body, finished)));
                    None
                }
                Err(_code) => Some(Reason::GuestError),
            };
            *missing.lock().expect("missing: nothing panics while it is held") = refused;
        }
    };
    let mut http = store.data_mut().http();
    let request = http.new_incoming_request(Scheme::Http, request).map_err(at(Stage::Handle))?;
    let outparam = http.new_response_outparam_from_callback(on_response).map_err(at(Stage::Handle))?;
    let incoming = proxy.wasi_http_incoming_handler();
    incoming.call_handle(&mut *store, request, outparam).await.map_err(at(Stage::Handle))?;
    let missing = *missing.lock().expect("missing: nothing panics while it is held");
    missing.map_or(Ok(()), |reason| Err(Failure::Guest(reason)))
}

fn store(
    handler: &Handler,
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
    let budget = budget.clone();
    store.epoch_deadline_callback(move |mut store| {
        Ok(match budget.spent() {
            Some(reason) => {
                store.data_mut().stopped = Some(reason);
                UpdateDeadline::Interrupt
            }
            // Back to the end of the run queue: tokio's own yield could be polled again at once.
            None => UpdateDeadline::YieldCustom(1, Box::pin(YieldOnce { yielded: false })),
        })
    });
    Ok(store)
}

/// Writes what happened inside the guest to the log, and nowhere else.
fn log(error: &wasmtime::Error, reason: Reason, exchange: &Exchange, handler: &Handler) {
    let Some(untold) = handler.failures.admit() else { return };
    tracing::warn!(request_id = %exchange.head.id, handler = &*exchange.head.handler, reason = reason.label(),
        untold, details = %escaped(trap::describe(error).as_bytes()), "guest failed");
}

/// Pending once, and ready to be polled again at once.
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
