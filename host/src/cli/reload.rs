//! What is served, looked at again: when SIGHUP asks for it, and with `--watch` whenever it has changed. A
//! thread of its own does it, since files and compilers take their time, and nothing else may wait for them.

use super::exit::Failure;
use super::supply::Supply;
use crate::config::{ComponentSource, Config, HandlerConfig, HandlerName, Sources};
use crate::handlers;
use crate::net::{Host, Tls};
use crate::sandbox::Sandbox;
use anyhow::Context;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How often it is looked at. What has changed is read once it looks the same twice: nobody wants half a
/// file.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Who looks again, and what is needed for that.
pub(super) struct Reloader {
    pub(super) sources: Sources,
    /// The host's settings, which stay as they are.
    pub(super) config: Config,
    pub(super) supply: Arc<Supply>,
    pub(super) sandbox: Arc<Sandbox>,
    /// Gone when the host is.
    pub(super) host: Weak<Host>,
}

/// Listens for SIGHUP, which ends a process that does not: so before anyone is told that the host is up.
pub(super) fn listen(io: &Runtime) -> Result<Signal, Failure> {
    let _io = io.enter();
    signal(SignalKind::hangup()).context("cannot listen for SIGHUP").map_err(Failure::Other)
}

/// Has everything that is served read again whenever SIGHUP asks for it, and when it changes if that is
/// asked for.
pub(super) fn start(
    io: &Runtime,
    reloader: Reloader,
    tls: Option<Arc<Tls>>,
    mut hangup: Signal,
) -> Result<(), Failure> {
    let (ask, asked) = sync_channel(1);
    // Not waited for at the end: what it does then nobody sees.
    std::thread::Builder::new()
        .name("reload".into())
        .spawn(move || reloader.run(&asked))
        .context("cannot start the thread that reloads")
        .map_err(Failure::Other)?;
    io.spawn(async move {
        while hangup.recv().await.is_some() {
            if let Some(tls) = &tls {
                tls.reload();
            }
            request(&ask);
        }
    });
    Ok(())
}

fn request(ask: &SyncSender<()>) {
    // Full: that is about to happen anyway.
    let _ = ask.try_send(());
}

impl Reloader {
    fn run(mut self, asked: &Receiver<()>) {
        let mut read = self.stamp();
        let mut seen = read.clone();
        loop {
            let asked = match self.config.watch {
                true => asked.recv_timeout(LOOK_INTERVAL),
                false => asked.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            let now = self.stamp();
            let settled = now == seen;
            seen.clone_from(&now);
            match asked {
                Ok(()) => {}
                Err(RecvTimeoutError::Timeout) if settled && now != read => {}
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => return,
            }
            // What cannot be used is told once, and not looked at again before it changes.
            read = now;
            if self.reload().is_none() {
                return;
            }
        }
    }

    /// Serves what there is now, or tells why not; none once the host is gone.
    fn reload(&mut self) -> Option<()> {
        const STAYS: &str = "cannot reload: what was served before goes on";
        let (handlers, host_differs) = match self.sources.resolve_handlers(&self.config) {
            Ok(resolved) => resolved,
            Err(mistakes) => {
                tracing::error!(details = %mistakes, "{STAYS}");
                return Some(());
            }
        };
        let host = self.host.upgrade()?;
        let supply = &self.supply;
        let done = handlers::reload(&self.sandbox, &host.catalog, &handlers, &|source| supply.obtain(source));
        supply.tell_pulled();
        match done {
            Ok(change) => {
                let names = |names: &[HandlerName]| {
                    names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
                };
                let (loaded, gone) = (names(&change.loaded), names(&change.gone));
                tracing::info!(handlers = handlers.len(), loaded, gone, "reloaded");
                self.config.handlers = handlers;
            }
            Err(error) => tracing::error!(details = super::serve::told(&error), "{STAYS}"),
        }
        if host_differs {
            tracing::warn!("settings of the host itself have changed: they take effect at its next start");
        }
        Some(())
    }

    /// What there is now, as far as it can be seen from outside.
    fn stamp(&self) -> Vec<Stamp> {
        let mut paths = self.sources.paths();
        paths.extend(self.config.handlers.iter().filter_map(file_of).map(Path::to_owned));
        let signatures: Vec<PathBuf> = paths.iter().map(|path| crate::signature::beside(path)).collect();
        let mut stamps: Vec<Stamp> = paths.iter().chain(&signatures).map(|path| Stamp::of(path)).collect();
        for directory in paths {
            let entries = fs::read_dir(&directory).into_iter().flatten().filter_map(Result::ok);
            stamps.extend(entries.map(|entry| Stamp::of(&entry.path())));
        }
        stamps.sort_unstable();
        stamps
    }
}

fn file_of(handler: &HandlerConfig) -> Option<&Path> {
    match &handler.source {
        ComponentSource::File(path) => Some(path),
        // Only SIGHUP has a registry asked what a tag stands for by now.
        ComponentSource::Registry(_) | ComponentSource::BuiltIn | ComponentSource::Deployed(_) => None,
    }
}

/// A file or directory as it was seen; not there without figures.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Stamp(PathBuf, Option<[i64; 5]>);

impl Stamp {
    fn of(path: &Path) -> Self {
        let figures = |found: Metadata| {
            let number = |figure: u64| i64::from_ne_bytes(figure.to_ne_bytes());
            [number(found.dev()), number(found.ino()), number(found.len()), found.mtime(), found.mtime_nsec()]
        };
        Self(path.to_owned(), fs::metadata(path).ok().map(figures))
    }
}
