//! TLS as the program's business: files that cannot be used end the start as a configuration error.

use super::exit::Failure;
use crate::config::Config;
use crate::net::{Tls, TlsError};
use std::sync::Arc;

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
