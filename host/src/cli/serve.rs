//! `wasm-host serve`: puts the host together, runs it and takes it down again in order.

use super::budget::Budget;
use super::deployments;
use super::exit::{self, Failure};
use super::listeners::{self, Passed};
use super::reload::{self, Reloader};
use super::secure;
use super::shutdown::{self, Signals};
use super::supply::Supply;
use super::welcome;
use crate::admission::{Admission, PressureWatch};
use crate::config::{ComponentSource, Flags, LogFormat, Sources};
use crate::deploy::Parts;
use crate::executor::Executor;
use crate::handlers::{self, Catalog, Keeper, StartError, Unloaded};
use crate::memory::Memory;
use crate::net::{Admin, Drain, Entrance, Host};
use crate::telemetry;
use anyhow::Context;
use sd_notify::NotifyState;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

/// I/O threads at most: they only move bytes, so a few serve many cores of guests.
const IO_THREADS_MAX: usize = 8;
/// Threads that resolve names for outbound requests.
const RESOLVER_THREADS_MAX: usize = 16;
/// How long the I/O threads may take to go home; one that resolves a name may take longer.
const SHUTDOWN_TIME_MAX: Duration = Duration::from_secs(1);

/// Serves what `flags` and the other layers say until the process is told to stop. What is worth a warning
/// is logged once the host is up.
pub(super) fn serve(flags: Flags) -> Result<(), Failure> {
    let sources = Sources { flags, environment: std::env::vars_os().collect(), directory: PathBuf::new() };
    let (mut config, mut warnings) = sources.resolve()?;
    let passed = Passed::take()?;
    let (io, guest_io) = io_runtimes().context("cannot start the I/O threads").map_err(Failure::Other)?;
    let tls = secure::open(&config)?;
    let listeners = listeners::bind(&io, &config, passed, &mut warnings)?;
    let admin = listeners::bind_admin(&io, &config, &mut warnings).map_err(Failure::Other)?;
    let catalog = Arc::new(Catalog::new(config.executor.slice));
    welcome::set_up(&mut config);
    let supply = Arc::new(Supply::open(&config)?);
    let kept = deployments::open(&config, &mut warnings)?;
    let deployed = kept.as_ref().map_or(&[][..], |kept| &kept.configs);
    let obtain = |source: &ComponentSource| match &kept {
        Some(kept) => kept.obtain(source, &*supply),
        None => supply.obtain(source),
    };
    let started = handlers::start(&config, deployed, &catalog, &obtain).map_err(unserved)?;
    let sandbox = Arc::new(started.sandbox);
    warnings.extend(sandbox.warnings.iter().cloned());
    let log = telemetry::start_log(config.log_format == LogFormat::Json)
        .context("cannot start the log")
        .map_err(Failure::Other)?;
    let executor = Executor::start(&config.executor, guest_io.handle(), sandbox.ticker())
        .context("cannot start the executor threads")
        .map_err(Failure::Other)?;
    let executor = Arc::new(executor);
    let keeper = Keeper::start(&sandbox, &executor)
        .context("cannot start the thread that keeps instances")
        .map_err(Failure::Other)?;
    handlers::tune(&sandbox, &catalog)
        .context("cannot start the thread that has handlers compiled anew")
        .map_err(Failure::Other)?;
    let admission = Arc::new(Admission::new(config.admission, sandbox.alive_max));
    let parts = Parts {
        sandbox: sandbox.clone(),
        catalog: catalog.clone(),
        admission: admission.clone(),
        executor: executor.clone(),
        supply: supply.clone(),
        io: io.handle().clone(),
        host: config.clone(),
    };
    let deployments = deployments::begin(kept, started.deployed, parts)?;
    let host = Arc::new(Host {
        config: config.net.clone(),
        admission,
        executor,
        catalog,
        deployments,
        recent: log.recent.clone(),
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
    let hangup = reload::listen(&io)?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    listeners::tell(&listeners, scheme, admin.as_ref());
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    sandbox.give_way();
    supply.tell_pulled();
    for damage in &host.deployments.damages {
        tracing::error!("{damage}");
    }
    tracing::info!(
        handlers = config.handlers.len(),
        instances = config.admission.instances,
        streams = config.admission.streams_max,
        threads = config.executor.threads,
        memory_bytes_max = config.limits.memory_bytes_max,
        sandboxes_bytes_max = budget.sandboxes_bytes_max,
        memory_limit_bytes = budget.limit_bytes,
        timeout_ms = u64::try_from(config.limits.timeout.as_millis()).unwrap_or(u64::MAX),
        "ready"
    );
    io.spawn(Entrance::new(listeners).serve(host.clone(), tls.clone()));
    if let Some(listener) = admin {
        let admin = Admin::new(host.clone(), config.admin.token.clone(), &config.deploy);
        io.spawn(admin.serve(Entrance::new(vec![listener])));
    }
    io.spawn({
        let host = host.clone();
        async move { host.admission.rates().sweep().await }
    });
    let reloader = Reloader { sources, config, supply, sandbox, host: Arc::downgrade(&host) };
    reload::start(&io, reloader, tls, hangup)?;
    shutdown::tell_manager(&[NotifyState::Ready, NotifyState::MainPid(std::process::id())]);
    io.block_on(shutdown::wait_and_drain(&host, &mut signals));
    let dropped_lines = log.dropped_lines();
    if dropped_lines > 0 {
        tracing::warn!(dropped_lines, "log lines were dropped: they were not read fast enough");
    }
    drop(keeper);
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

/// What was pointed at is the configuration's fault; what the machine lacks is not.
fn unserved(error: StartError) -> Failure {
    match error {
        StartError::Handlers(unloaded) => {
            let hosts = unloaded.iter().any(|it| it.is_hosts());
            let error = anyhow::anyhow!(blocks(&unloaded));
            if hosts { Failure::Other(error) } else { Failure::Configuration(error) }
        }
        StartError::Overlap(overlap) => Failure::Configuration(overlap.into()),
        StartError::Sandbox(error) => Failure::Other(error.into()),
    }
}

/// The same for the log of a host that goes on with what it has.
pub(super) fn told(error: &StartError) -> String {
    match error {
        StartError::Handlers(unloaded) => blocks(unloaded),
        StartError::Overlap(overlap) => overlap.to_string(),
        StartError::Sandbox(error) => error.to_string(),
    }
}

/// Every handler at fault, with the causes.
fn blocks(unloaded: &[Unloaded]) -> String {
    unloaded.iter().map(|it| exit::block(it)).collect::<Vec<_>>().join("\n")
}
