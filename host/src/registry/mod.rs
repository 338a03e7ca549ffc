//! Components in OCI registries: how they are named, fetched, checked against their digests, and stored.
//! Whoever answers is not trusted: what comes is bounded in size and time, goes by its SHA-256 or not at all,
//! and no answer can send this host to addresses that it was not sent to. README.md ("Registries") documents
//! the form.

mod answer;
mod challenge;
mod client;
mod credentials;
mod error;
mod guard;
mod helper;
mod interfaces;
mod manifest;
mod reference;
mod retry;
mod session;
mod token;

use std::time::Duration;

pub use client::{Package, Pulled, Registries};
pub use credentials::CredentialsError;
pub use error::RegistryError;
pub use interfaces::NotAComponent;
pub use reference::{Authority, BadReference, Reference, SCHEME};

/// How registries are used.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Registries that are spoken to without TLS, beside those on this machine.
    pub plain_http: Vec<Authority>,
    /// How long everything may take that one component needs.
    pub timeout: Duration,
}
