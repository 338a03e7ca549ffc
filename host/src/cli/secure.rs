//! TLS as the program's business: files that cannot be used end the start as a configuration error, and
//! SIGHUP has them read again.

use super::exit::Failure;
use crate::config::Config;
use crate::net::{Tls, TlsError};
use anyhow::Context;
use std::sync::Arc;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

/// TLS as it is set; none where connections are plain.
pub(super) fn open(config: &Config) -> Result<Option<Arc<Tls>>, Failure> {
    let Some(tls) = config.net.tls.config() else { return Ok(None) };
    Tls::open(&tls).map(Some).map_err(|error| match error {
        TlsError::NoThread(_) => Failure::Other(error.into()),
        TlsError::Unreadable { .. }
        | TlsError::NotFound { .. }
        | TlsError::Broken { .. }
        | TlsError::Mismatch { .. } => Failure::Configuration(error.into()),
    })
}

/// Has the certificate read again whenever SIGHUP asks for it.
pub(super) fn reload_on_hangup(io: &Runtime, tls: &Arc<Tls>) -> Result<(), Failure> {
    let _io = io.enter();
    let hangup = signal(SignalKind::hangup()).context("cannot listen for SIGHUP");
    let (mut hangup, tls) = (hangup.map_err(Failure::Other)?, tls.clone());
    io.spawn(async move {
        while hangup.recv().await.is_some() {
            tls.reload();
        }
    });
    Ok(())
}
