//! The job that drives a shared instance: it gives the guest what arrives and polls it for all.

use super::seats::Seats;
use super::ticket::late;
use super::{Arrival, Shared};
use crate::sandbox::answer::{self, GuestHead};
use crate::sandbox::budget::Budget;
use crate::sandbox::handler::{AGES, Handler};
use crate::sandbox::instance::Instance;
use crate::sandbox::invoke::{leave_low_class, obtain};
use crate::sandbox::p3;
use crate::sandbox::relay::relayed;
use crate::sandbox::session::Session;
use crate::sandbox::state::HostState;
use crate::sandbox::trap::{self, Stage};
use crate::telemetry::Exchange;
use http::Method;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout, timeout_at};
use wasmtime::component::{Accessor, AccessorTask};
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::p3::bindings::Service;

/// A job that drives a shared instance.
pub struct Work {
    /// To be polled on executor threads only.
    pub future: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// It has no limit of its own: each request in it has.
    pub budget: Arc<Budget>,
    /// What it uses for requests that are in it: its class goes by that.
    pub exchange: Arc<Exchange>,
}

/// The job that drives `shared`, an instance of `handler`.
pub(super) fn work(handler: &Arc<Handler>, shared: &Arc<Shared>) -> Work {
    let session = Session::aside(handler.name().clone(), handler.stats(), "(shared)", AGES, AGES);
    let Session { budget, exchange } = session.clone();
    let crew = Crew { handler: handler.clone(), shared: shared.clone(), instance: None };
    Work { future: Box::pin(crew.drive(session)), budget, exchange }
}

/// A shared instance and all who are in it. However it ends, each of them is told.
struct Crew {
    handler: Arc<Handler>,
    shared: Arc<Shared>,
    instance: Option<Instance>,
}

impl Crew {
    async fn drive(mut self, session: Session) {
        let handler = self.handler.clone();
        // What fails here fails again for those who wait for it, each by itself, and is told there.
        let Ok(instance) = obtain(&handler, session.clone()).await else {
            leave_low_class(&session.budget).await;
            return;
        };
        let instance = self.instance.insert(instance);
        let started = timeout(handler.limits.timeout, instance.start(&handler)).await;
        if !matches!(started, Ok(Ok(()))) {
            leave_low_class(&session.budget).await;
            return;
        }
        let ended = instance.serve_all(&handler, &self.shared, &session.budget).await;
        let whole = match ended {
            Ok(whole) => whole,
            Err(error) => {
                self.failed(&error, &session.exchange);
                false
            }
        };
        leave_low_class(&session.budget).await;
        if whole && let (Some(shelf), Some(mut instance)) = (&handler.shelf, self.instance.take()) {
            instance.store.data_mut().seats = None;
            drop(shelf.put(&handler, instance));
        }
    }

    fn failed(&mut self, error: &wasmtime::Error, driver: &Exchange) {
        let Some(instance) = &mut self.instance else { return };
        let state = instance.store.data_mut();
        let reason = trap::classify(error, Stage::Handle, state.limiter.refused());
        if let Some(seats) = &mut state.seats {
            seats.failed(reason);
        }
        if let Some(untold) = self.handler.failures.admit() {
            let details = trap::describe(error);
            tracing::warn!(request_id = %driver.head.id, handler = &*driver.head.handler,
                reason = reason.label(), untold, details, "guest failed with all requests in its instance");
        }
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.shared.close();
        self.handler.crews.remove(&self.shared);
        if let Some(mut instance) = self.instance.take()
            && let Some(seats) = &mut instance.store.data_mut().seats
        {
            seats.lose();
        }
        self.shared.turn_away();
        self.shared.end();
    }
}

impl Instance {
    /// Serves all who arrive until nobody is there any more; returns whether the guest may be used again.
    async fn serve_all(
        &mut self,
        handler: &Handler,
        shared: &Arc<Shared>,
        budget: &Budget,
    ) -> wasmtime::Result<bool> {
        let service = self.service();
        self.store.data_mut().seats = Some(Seats::new(shared.clone()));
        let (served, requests_max) = (&mut self.served, handler.settings.reuse.requests_max.get());
        let serving = self.store.run_concurrent(async |accessor| {
            loop {
                while *served < requests_max
                    && let Some(arrival) = shared.inbox.pop()
                {
                    *served += 1;
                    let log =
                        |mut store: wasmtime::component::Access<'_, HostState>| store.data_mut().refill();
                    accessor.with(log);
                    accessor.spawn(Call { arrival, service: service.clone(), shared: shared.clone() })?;
                }
                if *served == requests_max {
                    shared.close();
                    shared.turn_away();
                }
                match next(accessor, shared).await {
                    Next::Arrival => {}
                    Next::Nobody => return wasmtime::error::Ok(()),
                }
            }
        });
        {
            let mut serving = std::pin::pin!(serving);
            relayed(budget, poll_fn(|cx| shared.watch(|| serving.as_mut().poll(cx)))).await??;
        }
        let state = self.store.data_mut();
        Ok(state.seats.as_ref().is_some_and(|seats| !seats.spoilt()))
    }
}

enum Next {
    Arrival,
    Nobody,
}

/// Waits for somebody to arrive, or for the last one to leave with all that the guest still does.
async fn next(accessor: &Accessor<HostState>, shared: &Shared) -> Next {
    let on_seats = |act: &mut dyn FnMut(&mut Seats)| {
        accessor.with(|mut store| store.data_mut().seats.as_mut().map(act));
    };
    poll_fn(|cx| {
        shared.register(cx.waker());
        if shared.forsaken() {
            on_seats(&mut Seats::spoil);
            return Poll::Ready(Next::Nobody);
        }
        if !shared.inbox.is_empty() {
            on_seats(&mut Seats::release);
            return Poll::Ready(Next::Arrival);
        }
        if shared.inside() > 0 {
            return Poll::Pending;
        }
        if accessor.poll_no_interesting_tasks(cx).is_ready() {
            on_seats(&mut Seats::release);
        } else {
            let mut unwanted = true;
            on_seats(&mut |seats| unwanted = seats.poll_unwanted(cx).is_ready());
            if !unwanted {
                return Poll::Pending;
            }
            on_seats(&mut Seats::spoil);
        }
        match shared.close_if_empty() {
            true => Poll::Ready(Next::Nobody),
            // Somebody is on the way.
            false => Poll::Pending,
        }
    })
    .await
}

/// One request in the guest.
struct Call {
    arrival: Arrival,
    service: Arc<Service>,
    shared: Arc<Shared>,
}

impl AccessorTask<HostState> for Call {
    async fn run(self, accessor: &Accessor<HostState>) -> wasmtime::Result<()> {
        let Self { arrival: Arrival { request, answer, seat, done }, service, shared } = self;
        if done.is_closed() {
            // Its client went away before.
            shared.leave(&seat);
            return Ok(());
        }
        let (number, exchange) = (seat.number, seat.session.exchange.clone());
        let deadline = Instant::from_std(seat.session.budget.deadline);
        let head_only = request.method() == Method::HEAD;
        let handle = service.wasi_http_handler().func_handle();
        let call = accessor.with(|mut store| {
            let state = store.data_mut();
            let request = p3::incoming(state, request);
            let request = state.http().table.push(request)?;
            let call = handle.start_call_concurrent(&mut store, (request,))?;
            let state = store.data_mut();
            let seats = state.seats.as_mut().expect("seats: set for as long as the instance is shared");
            seats.enter(seat.clone(), call.task());
            let last = seats.deadline();
            state.outbound().extend(last);
            wasmtime::error::Ok(call)
        })?;
        let mut answer = Some(answer);
        let serve = async {
            let (response,) = handle.finish_call_concurrent(accessor, call).await?;
            let response = match response {
                Ok(response) => accessor.with(|mut store| store.data_mut().http().table.delete(response))?,
                Err(code) => {
                    answer::refuse(&exchange, &code);
                    return Ok(());
                }
            };
            respond(accessor, response, head_only, &mut answer, number, &exchange).await
        };
        let task_left = match timeout_at(deadline, serve).await {
            Ok(served) => {
                served?;
                false
            }
            Err(_) => {
                late(&exchange);
                shared.close();
                true
            }
        };
        accessor.with(|mut store| store.data_mut().leave_seat(number, task_left));
        let last = shared.leave(&seat);
        accessor.with(|mut store| {
            if let Some(seats) = &mut store.data_mut().seats {
                seats.release();
                seats.retained = Some((seat, done));
                if !last {
                    seats.release();
                }
            }
        });
        Ok(())
    }
}

/// Hands a response over, and waits until its body does not need the guest any more.
async fn respond(
    accessor: &Accessor<HostState>,
    response: wasmtime_wasi_http::p3::Response,
    head_only: bool,
    answer: &mut Option<oneshot::Sender<GuestHead>>,
    number: u64,
    exchange: &Exchange,
) -> wasmtime::Result<()> {
    let keep = |state: &mut HostState, passage| {
        if let Some(seats) = &mut state.seats {
            seats.answered(number, passage);
        }
    };
    if let Some(answered) = p3::give(accessor, response, head_only, answer, exchange, keep)? {
        answered.written().await;
    }
    Ok(())
}
