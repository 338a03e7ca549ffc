//! What one instance carries on the host's side: its WASI world, its limits and whom it works for. Dropped
//! with the instance; one that serves another request keeps what its guest keeps, and nothing else.

use super::handler::Handler;
use super::limiter::Limiter;
use super::passage::Passage;
use super::response::ResponseWatch;
use super::session::Session;
use super::shared::Seats;
use crate::capabilities::{GuestLog, Outbound};
use crate::outcome::{Outcome, Reason};
use std::sync::Arc;
use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::p2::types::HostOutgoingRequest;
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

/// Tells the built-in handler which instance it is.
const INSTANCE_VARIABLE: &str = "WASM_HOST_INSTANCE";

/// The data of a guest's store.
pub(super) struct HostState {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    outbound: Outbound,
    table: ResourceTable,
    pub(super) limiter: Limiter,
    pub(super) response: ResponseWatch,
    /// The body of the response of a guest of WASI 0.3, once there is one.
    pub(super) passage: Option<Arc<Passage>>,
    log: GuestLog,
    /// The requests that it serves at once, if it does.
    pub(super) seats: Option<Seats>,
    /// Whom it works for.
    pub(super) session: Session,
}

impl HostState {
    /// A world for another instance of `handler`, which works for `session` at first.
    pub(super) fn new(handler: &Handler, session: Session) -> Self {
        let (settings, limits) = (&handler.settings, &handler.limits);
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles_max);
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(limits.fields_bytes_max);
        let log = GuestLog::new(&session.exchange, limits.log_bytes_max);
        let [stdout, stderr] = log.streams();
        let mut wasi = WasiCtx::builder();
        wasi.allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .max_random_size(limits.random_bytes_max)
            .envs(&settings.env)
            .stdout(stdout)
            .stderr(stderr);
        let instance = handler.next_instance();
        if settings.tells_instance {
            wasi.env(INSTANCE_VARIABLE, instance.to_string());
        }
        // Each of its requests has as many as one by itself.
        let connections_max = limits.outbound_max.saturating_mul(handler.requests_at_once());
        Self {
            wasi: wasi.build(),
            http,
            outbound: Outbound::new(settings.outbound.clone(), connections_max, session.budget.deadline),
            table,
            limiter: Limiter::new(limits.memory_bytes_max, session.exchange.clone()),
            response: ResponseWatch::default(),
            passage: None,
            log,
            seats: None,
            session,
        }
    }
}

impl HostState {
    /// Works for `session` from now on: what belongs to the one before is let go.
    pub(super) fn begin(&mut self, session: Session) {
        self.leave();
        self.log.follow(&session.exchange);
        self.limiter.follow(&session.exchange);
        self.outbound.extend(session.budget.deadline);
        self.response.next();
        self.session = session;
    }

    /// Nothing of it is held for its request any more.
    fn leave(&mut self) {
        if let Some(passage) = self.passage.take() {
            passage.tell();
        }
        if let Some(seats) = &self.seats {
            seats.tell();
        }
        self.session.exchange.memory(0);
    }

    /// One more request may write to the log.
    pub(super) fn refill(&self) {
        self.log.refill();
    }

    /// The request of this seat is over; `task_left` says that the guest goes on with it all the same.
    pub(super) fn leave_seat(&mut self, number: u64, task_left: bool) {
        let Session { budget, exchange } = &self.session;
        let total_ns = exchange.cpu_ns() + budget.poll_cpu_ns();
        if let Some(seats) = &mut self.seats {
            exchange.relieve(seats.leave(number, total_ns, task_left));
        }
    }

    /// Whether it may serve another request: the last one, if there was one, was answered whole, and nothing
    /// was refused since; and it holds at most so much memory and so many handles. `owes` says that a response
    /// has to have been set.
    pub(super) fn fit(&mut self, owes: bool, memory_bytes_max: u64, handles_max: usize) -> bool {
        let exchange = &self.session.exchange;
        let unspoilt = exchange.failure().is_none() && !exchange.was_ended_after_answer();
        unspoilt
            && self.done(owes)
            && !self.limiter.refused()
            && self.limiter.bytes() <= memory_bytes_max
            && self.table.iter_mut().count() <= handles_max
    }

    /// Whether its request, if there was one, does not need the guest any more and got all it was to get. A
    /// connection that has all that was declared lets go of the body before the guest can finish it.
    fn done(&self, owes: bool) -> bool {
        self.session.exchange.outcome() == Some(Outcome::Answered) || self.handed_over(owes)
    }

    fn handed_over(&self, owes: bool) -> bool {
        match &self.passage {
            Some(passage) => passage.released() || passage.settle(),
            None => self.response.answered() || !owes,
        }
    }

    /// Whether the guest has sent a response and finished its body. To be asked when no more of the guest
    /// will run.
    pub(super) fn answered(&self) -> bool {
        self.response.answered() || self.passage.as_ref().is_some_and(|passage| passage.settle())
    }

    /// The way out of this instance.
    pub(super) fn outbound(&mut self) -> &mut Outbound {
        &mut self.outbound
    }

    /// Whether an outgoing request may go where it is addressed.
    pub(super) fn allows(&mut self, request: &Resource<HostOutgoingRequest>) -> wasmtime::Result<bool> {
        let request = self.table.get(request)?;
        let tls = !matches!(request.scheme, Some(Scheme::Http));
        let authority = request.authority.as_deref().unwrap_or_default();
        Ok(self.outbound.allows(tls, authority))
    }
}

impl Drop for HostState {
    /// However the instance ended, it holds nothing any more. A panic is recorded here, before the ends
    /// of head and body in this world close: whoever waits for them asks for the reason at once.
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.session.exchange.fail(Reason::HostPanic);
        }
        self.leave();
    }
}

impl WasiView for HostState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for HostState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.outbound }
    }
}
