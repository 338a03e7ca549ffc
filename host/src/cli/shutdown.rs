//! The end of a host: the signals that ask for it, the steps of the drain, and what the service manager
//! is told.

use crate::net::Host;
use sd_notify::NotifyState;
use std::future::Future;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How long those who were cut may take to go: they are answered at once, and only a client that does
/// not read is not waited for.
const CUT_TIME_MAX: Duration = Duration::from_secs(1);

/// Tells the service manager, if there is one that wants to know (`NOTIFY_SOCKET`, sd_notify(3)).
pub(super) fn tell_manager(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "cannot tell the service manager (NOTIFY_SOCKET)");
    }
}

/// Serves until a signal, or until somebody asks for it on the admin side. Then `/ready` fails; for `--drain-delay` everything else goes on; no new
/// requests are let in, the running ones go to their end, and whoever is left after `--drain-timeout` is
/// cut. A second signal ends the process at once.
pub(super) async fn wait_and_drain(host: &Host, signals: &mut Signals) {
    let name = tokio::select! {
        name = signals.next() => name,
        () = host.drain.asked() => "POST /admin/drain",
    };
    host.drain.leave();
    tell_manager(&[NotifyState::Stopping]);
    let delay_ms = u64::try_from(host.config.drain_delay.as_millis()).unwrap_or(u64::MAX);
    tracing::info!(signal = name, delay_ms, instances = host.admission.sandboxes(), "draining");
    tokio::select! {
        cut = drain(host) => tracing::info!(finished = host.drain.finished(), cut, "drained"),
        name = signals.next() => {
            tracing::warn!(signal = name, "stopped by a second signal");
            std::process::exit(super::exit::OTHER.into());
        }
    }
}

/// Drains, and returns how many requests were cut.
async fn drain(host: &Host) -> usize {
    tokio::time::sleep(host.config.drain_delay).await;
    host.drain.begin();
    if within(host.config.drain_timeout, host.drain.over()).await {
        return 0;
    }
    let cut = host.drain.cut();
    within(CUT_TIME_MAX, host.drain.over()).await;
    cut
}

async fn within(time: Duration, event: impl Future<Output = ()>) -> bool {
    tokio::time::timeout(time, event).await.is_ok()
}

/// The signals that stop a host.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Listens for them from now on.
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}
