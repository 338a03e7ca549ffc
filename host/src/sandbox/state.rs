//! What one instance carries on the host's side: its WASI world, its limits and the record of the
//! request it serves. Dropped with the instance, so nothing of one request reaches another.

use super::handler::HandlerSettings;
use super::limiter::Limiter;
use super::response::ResponseWatch;
use crate::capabilities::{GuestLog, Outbound};
use crate::config::Limits;
use crate::outcome::Reason;
use crate::telemetry::Exchange;
use std::sync::Arc;
use std::time::Instant;
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
    pub(super) exchange: Arc<Exchange>,
}

impl HostState {
    /// A world for instance number `instance` that must be gone by `deadline`.
    pub(super) fn new(
        settings: &HandlerSettings,
        limits: &Limits,
        instance: u64,
        deadline: Instant,
        exchange: Arc<Exchange>,
    ) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles_max);
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(limits.fields_bytes_max);
        let log = GuestLog::new(exchange.clone(), limits.log_bytes_max);
        let mut wasi = WasiCtx::builder();
        wasi.allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .max_random_size(limits.random_bytes_max)
            .envs(&settings.env)
            .stdout(log.stream("stdout"))
            .stderr(log.stream("stderr"));
        if settings.tells_instance {
            wasi.env(INSTANCE_VARIABLE, instance.to_string());
        }
        Self {
            wasi: wasi.build(),
            http,
            outbound: Outbound::new(settings.outbound.clone(), limits.outbound_max, deadline),
            table,
            limiter: Limiter::new(limits.memory_bytes_max, exchange.clone()),
            response: ResponseWatch::default(),
            exchange,
        }
    }
}

impl HostState {
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
            self.exchange.fail(Reason::HostPanic);
        }
        self.exchange.memory(0);
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
