//! `wasm-host serve`: puts the host together, runs it and takes it down again in order.

use super::budget::Budget;
use super::exit::Failure;
use super::listeners::{self, Passed};
use super::secure;
use super::shutdown::{self, Signals};
use super::welcome;
use crate::admission::{Admission, PressureWatch};
use crate::capabilities::OutboundGrant;
use crate::config::{Config, HandlerSource, LogFormat};
use crate::executor::Executor;
use crate::memory::Memory;
use crate::net::{Admin, Drain, Entrance, Host};
use crate::sandbox::{HandlerSettings, Sandbox, SandboxError};
use crate::telemetry::{self, HandlerStats};
use anyhow::Context;
use sd_notify::NotifyState;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

/// I/O threads at most: they only move bytes, so a few serve many cores of guests.
const IO_THREADS_MAX: usize = 8;
/// Threads that resolve names for outbound requests.
const RESOLVER_THREADS_MAX: usize = 16;
/// How long the I/O threads may take to go home; one that resolves a name may take longer.
const SHUTDOWN_TIME_MAX: Duration = Duration::from_secs(1);

/// Serves until the process is told to stop. `warnings` are logged once the host is up.
pub(super) fn serve(config: Config, mut warnings: Vec<String>) -> Result<(), Failure> {
    let passed = Passed::take()?;
    let (io, guest_io) = io_runtimes().context("cannot start the I/O threads").map_err(Failure::Other)?;
    let tls = secure::open(&config)?;
    let listeners = listeners::bind(&io, &config, passed, &mut warnings)?;
    let admin = listeners::bind_admin(&io, &config, &mut warnings).map_err(Failure::Other)?;
    let sandbox = sandbox(&config)?;
    warnings.extend(sandbox.warnings.iter().cloned());
    let handler = load(&sandbox, &config)?;
    let log = telemetry::start_log(config.log_format == LogFormat::Json)
        .context("cannot start the log")
        .map_err(Failure::Other)?;
    let executor = Executor::start(&config.executor, guest_io.handle(), sandbox.ticker())
        .context("cannot start the executor threads")
        .map_err(Failure::Other)?;
    let host = Arc::new(Host {
        config: config.net.clone(),
        admission: Admission::new(config.admission, sandbox.alive_max),
        executor,
        handler: Arc::new(handler),
        drain: Drain::default(),
    });
    let memory = Memory::here();
    let budget = Budget::of(&config, &memory);
    warnings.extend(budget.warning(&config));
    let watch = config
        .admission
        .memory_pressure_percent
        .map(|percent| PressureWatch::start(memory, percent, host.admission.pressure().clone()));
    let watch = watch.transpose().context("cannot watch the memory").map_err(Failure::Other)?;
    let mut signals = {
        let _io = io.enter();
        Signals::new().context("cannot listen for signals").map_err(Failure::Other)?
    };
    if let Some(tls) = &tls {
        secure::reload_on_hangup(&io, tls)?;
    }
    let scheme = if tls.is_some() { "https" } else { "http" };
    listeners::tell(&listeners, scheme, admin.as_ref());
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    tracing::info!(
        handler = &**host.handler.name(),
        instances = config.admission.instances,
        streams = config.admission.streams_max,
        threads = config.executor.threads,
        memory_bytes_max = config.limits.memory_bytes_max,
        sandboxes_bytes_max = budget.sandboxes_bytes_max,
        memory_limit_bytes = budget.limit_bytes,
        timeout_ms = u64::try_from(config.limits.timeout.as_millis()).unwrap_or(u64::MAX),
        "ready"
    );
    io.spawn(Entrance::new(listeners).serve(host.clone(), tls));
    if let Some(listener) = admin {
        io.spawn(Admin::new(host.clone(), config.admin.token).serve(Entrance::new(vec![listener])));
    }
    io.spawn({
        let host = host.clone();
        async move { host.admission.rates().sweep().await }
    });
    shutdown::tell_manager(&[NotifyState::Ready, NotifyState::MainPid(std::process::id())]);
    io.block_on(shutdown::wait_and_drain(&host, &mut signals));
    let dropped_lines = log.dropped_lines();
    if dropped_lines > 0 {
        tracing::warn!(dropped_lines, "log lines were dropped: they were not read fast enough");
    }
    // Guests first, since one that is polled without the I/O threads' timers panics, then what is left
    // of the connections. Each has written its line of the log by then.
    host.executor.stop();
    drop(watch);
    guest_io.shutdown_timeout(SHUTDOWN_TIME_MAX);
    io.shutdown_timeout(SHUTDOWN_TIME_MAX);
    drop(host);
    Ok(())
}

/// The runtime of connections, and the one of guests' timers and sockets. A guest's thread of low
/// priority may be stopped while it holds a lock of the runtime whose timer it sets: never that of
/// `/health` and of the deadlines.
fn io_runtimes() -> std::io::Result<(Runtime, Runtime)> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = |name: &str, threads: usize, blocking: usize| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .max_blocking_threads(blocking)
            .thread_name(name)
            .enable_all()
            .build()
    };
    Ok((runtime("io", cores.min(IO_THREADS_MAX), 1)?, runtime("guest-io", 1, RESOLVER_THREADS_MAX)?))
}

fn sandbox(config: &Config) -> Result<Sandbox, Failure> {
    let (limits, admission, cache) = (config.limits, config.admission, &config.cache);
    match &config.source {
        HandlerSource::BuiltIn => Sandbox::for_bytes(welcome::COMPONENT, limits, admission, cache),
        HandlerSource::Component(path) => Sandbox::for_file(path, limits, admission, cache),
    }
    .map_err(|error| unserved(config, error))
}

fn load(sandbox: &Sandbox, config: &Config) -> Result<crate::sandbox::Handler, Failure> {
    let env = match &config.source {
        HandlerSource::BuiltIn => welcome::env(config),
        HandlerSource::Component(_) => config.grants.env.clone(),
    };
    let settings = HandlerSettings {
        name: config.source.name().into(),
        env,
        outbound: OutboundGrant::new(&config.grants.outbound, config.grants.outbound_max),
        stats: Arc::new(HandlerStats::new(config.executor.slice)),
        tells_instance: matches!(config.source, HandlerSource::BuiltIn),
    };
    sandbox.handler(settings).map_err(|error| unserved(config, error.into()))
}

/// What was pointed at is the configuration's fault; what the machine lacks is not.
fn unserved(config: &Config, error: SandboxError) -> Failure {
    match error {
        SandboxError::Load(error) => Failure::Configuration(
            anyhow::Error::new(error).context(format!("cannot serve {}", config.source.shown())),
        ),
        error @ (SandboxError::AddressSpace { .. }
        | SandboxError::Maps { .. }
        | SandboxError::Engine { .. }) => Failure::Other(error.into()),
    }
}
