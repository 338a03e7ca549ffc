//! A handler: one compiled component with its settings, from which every request gets an instance
//! of its own.

use super::component::LoadError;
use super::linker;
use super::state::HostState;
use crate::capabilities::OutboundGrant;
use crate::config::Limits;
use crate::telemetry::{HandlerStats, Sampler};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime_wasi_http::p2::bindings::ProxyPre;

/// Failures a second whose details reach the log; each has its request's line in any case.
const FAILURES_TOLD_MAX: u32 = 20;

/// What a handler is called and granted.
#[derive(Clone, Debug)]
pub struct HandlerSettings {
    /// Its name in log lines.
    pub name: Arc<str>,
    /// Its environment variables.
    pub env: Vec<(String, String)>,
    /// Where its outbound requests may go.
    pub outbound: OutboundGrant,
    /// Where its requests are counted.
    pub stats: Arc<HandlerStats>,
    /// Whether it is told the number of its instance (`WASM_HOST_INSTANCE`), which only the built-in
    /// handler is: it lets a guest see how much the host serves.
    pub tells_instance: bool,
}

/// A component ready to be instantiated for a request.
pub struct Handler {
    pub(super) pre: ProxyPre<HostState>,
    pub(super) limits: Limits,
    pub(super) settings: HandlerSettings,
    instances: AtomicU64,
    /// Which of its failures are told in full.
    pub(super) failures: Sampler,
}

impl Handler {
    pub(super) fn new(
        engine: &Engine,
        component: &Component,
        limits: Limits,
        settings: HandlerSettings,
    ) -> Result<Self, LoadError> {
        let pre = linker::link(engine, component)?;
        Ok(Self {
            pre,
            limits,
            settings,
            instances: AtomicU64::new(0),
            failures: Sampler::new(FAILURES_TOLD_MAX),
        })
    }

    /// The handler's name.
    pub fn name(&self) -> &Arc<str> {
        &self.settings.name
    }

    /// Where its requests are counted.
    pub fn stats(&self) -> &Arc<HandlerStats> {
        &self.settings.stats
    }

    /// What one of its instances may use.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Counts instances from 1.
    pub(super) fn next_instance(&self) -> u64 {
        self.instances.fetch_add(1, Relaxed) + 1
    }
}
