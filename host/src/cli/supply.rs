//! The bytes that are to be served: from where they are named, and signed where they have to be. Nothing
//! reads them a second time, so what was checked is what runs.

use super::exit::Failure;
use super::welcome;
use crate::config::{ComponentSource, Config};
use crate::deploy::{self, FetchError, Fetched};
use crate::digest::Digest;
use crate::handlers::{Component, SupplyError};
use crate::registry::{BadReference, Pulled, Reference, Registries};
use crate::sandbox::read_component;
use crate::signature::{self, Policy};
use anyhow::Context;
use std::borrow::Cow;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Where components come from, and what they have to bring along.
pub(super) struct Supply {
    policy: Policy,
    registries: Registries,
    component_bytes_max: u64,
    /// What came from registries since it was told: the latest of each reference that the settings name.
    pulled: Mutex<Vec<(Reference, Digest)>>,
}

impl Supply {
    /// The supply that the settings ask for.
    pub(super) fn open(config: &Config) -> Result<Self, Failure> {
        let policy = Policy::open(&config.require_signature)
            .context("cannot use the keys of `require-signature`")
            .map_err(Failure::Configuration)?;
        Ok(Self {
            policy,
            registries: Registries::new(config.registries.clone()),
            component_bytes_max: config.deploy.component_bytes_max,
            pulled: Mutex::default(),
        })
    }

    /// The component from there. What is built in needs no signature: it is the program.
    pub(super) fn obtain(&self, source: &ComponentSource) -> Result<Component, SupplyError> {
        match source {
            ComponentSource::BuiltIn => Ok(Cow::Borrowed(welcome::COMPONENT)),
            ComponentSource::File(path) => self.read_file(path),
            ComponentSource::Registry(reference) => self.pull(reference),
            ComponentSource::Deployed(_) => Err("a deployed version is in the store alone".into()),
        }
    }

    /// Tells which digests came from registries since the last time, once there is a log.
    pub(super) fn tell_pulled(&self) {
        let pulled = std::mem::take(&mut *self.pulled.lock().unwrap_or_else(PoisonError::into_inner));
        for (reference, digest) in pulled {
            tracing::info!(%reference, %digest, "pulled");
        }
    }

    fn read_file(&self, path: &Path) -> Result<Component, SupplyError> {
        let component = read_component(path)?;
        if self.policy.requires_signature() {
            let signatures = signature::read_beside(path)?;
            self.policy.check(&component, signatures.as_deref())?;
        }
        Ok(Cow::Owned(component))
    }

    fn pull_signed(&self, reference: Reference, bytes_max: u64) -> Result<Fetched, SupplyError> {
        let Pulled { component, signatures, digest } = self.registries.pull(&reference, bytes_max)?;
        let signatures = signatures.map(String::from_utf8).transpose()?;
        // A tag may stand for something else tomorrow: this is what it stood for.
        Ok(Fetched { component, signatures, source: reference.pinned(digest).to_string() })
    }

    fn pull(&self, reference: &Reference) -> Result<Component, SupplyError> {
        let Pulled { component, signatures, digest } =
            self.registries.pull(reference, self.component_bytes_max)?;
        self.policy.check(&component, signatures.as_deref())?;
        let mut pulled = self.pulled.lock().unwrap_or_else(PoisonError::into_inner);
        pulled.retain(|(known, _)| known != reference);
        pulled.push((reference.clone(), digest));
        Ok(Cow::Owned(component))
    }
}

impl deploy::Supply for Supply {
    fn obtain(&self, source: &ComponentSource) -> Result<Component, SupplyError> {
        Self::obtain(self, source)
    }

    fn vouch(&self, component: &[u8], signatures: Option<&[u8]>) -> Result<(), SupplyError> {
        Ok(self.policy.check(component, signatures).map(drop)?)
    }

    fn fetch(&self, reference: &str, bytes_max: u64) -> Result<Fetched, FetchError> {
        let bad = |error: BadReference| FetchError::BadReference(error.into());
        let reference = reference.parse().map_err(bad)?;
        self.pull_signed(reference, bytes_max).map_err(FetchError::Failed)
    }
}
