//! The thread of changes that take their time: it fetches, checks, composes, compiles and tries what is new, and
//! hands it over to be switched to. One at a time, so that no two of them starve what serves.

use super::core::{Base, Core, Done, Fresh};
use super::deployment::Change;
use super::deployments::{From, New, Reply};
use super::keep::{self, FetchError, Fetched, Supply, config_of};
use super::refusal::{Refusal, RefusalReason};
use super::store::Store;
use super::trial::Stage;
use super::version::{Version, VersionId};
use crate::config::{ComponentSource, Config, HandlerConfig, HandlerName, Origin};
use crate::digest::Digest;
use crate::handlers::{Catalog, Component, Deployed, SupplyError, load_one};
use crate::sandbox::Sandbox;
use crate::telemetry::chain;
use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What the thread is asked for.
pub(super) enum Slow {
    /// To make a version, and then this change with it.
    New {
        name: HandlerName,
        base: Base,
        new: Box<New>,
        change: Box<dyn Fn(VersionId) -> Change + Send>,
        reply: Reply,
    },
    /// To load these versions, which the change needs.
    Known { name: HandlerName, base: Base, change: Change, missing: Vec<VersionId>, reply: Reply },
}

/// What it needs for that.
pub(super) struct Loader {
    pub(super) core: Arc<Mutex<Core>>,
    pub(super) store: Arc<Store>,
    pub(super) sandbox: Arc<Sandbox>,
    pub(super) catalog: Arc<Catalog>,
    pub(super) supply: Arc<dyn Supply>,
    pub(super) stage: Stage,
    /// The host's settings.
    pub(super) host: Config,
}

/// What was sent or fetched.
struct Obtained {
    bytes: Vec<u8>,
    signatures: Option<String>,
    source: Option<String>,
}

/// A component is read by several libraries here: one that makes any of them panic is refused, and the next change
/// finds the thread alive. What is deployed changes in the core alone, a step at a time.
fn contained(change: impl FnOnce() -> Result<Done, Refusal>) -> Result<Done, Refusal> {
    catch_unwind(AssertUnwindSafe(change)).unwrap_or_else(|_| {
        let detail = "a part of the host panicked over it; the log tells which";
        Err(Refusal::new(RefusalReason::HostFailed, detail))
    })
}

impl Loader {
    pub(super) fn run(self, asked: &Receiver<Slow>) {
        while let Ok(slow) = asked.recv() {
            let (done, reply) = match slow {
                Slow::New { name, base, new, change, reply } => {
                    (contained(|| self.make(&name, base, *new, &*change)), reply)
                }
                Slow::Known { name, base, change, missing, reply } => {
                    (contained(|| self.revive(&name, base, &change, &missing)), reply)
                }
            };
            // Whoever asked may be gone; what was done stays done.
            let _ = reply.send(done);
        }
    }

    fn make(
        &self,
        name: &HandlerName,
        base: Base,
        new: New,
        change: &dyn Fn(VersionId) -> Change,
    ) -> Result<Done, Refusal> {
        fail::fail_point!("deploy");
        let New { from, spec } = new;
        let terms = spec.terms(name, &self.host)?;
        // Held until the component is on the disk: so much of them is in memory, and no more.
        let (obtained, _held) = self.obtain(from)?;
        let version = Version {
            component: Digest::of(&obtained.bytes),
            component_bytes: obtained.bytes.len() as u64,
            source: obtained.source,
            signatures: obtained.signatures,
            settings: spec.to_map(),
        };
        let id = version.id();
        let wanted = change(id);
        let known = {
            let core = self.lock();
            // Not after a minute of compiling.
            if core.plan(name, &wanted)?.is_empty() {
                core.ready(name, id).cloned()
            } else {
                core.check_base(name, base)?;
                None
            }
        };
        let fresh = match known {
            // Whatever happens until the change is made, it has what it serves.
            Some(known) => vec![(id, known)],
            None => {
                let source = ComponentSource::Deployed(id.to_string().into());
                let config = HandlerConfig {
                    name: name.clone(),
                    source,
                    terms,
                    origin: Origin::Nowhere,
                    own: Vec::new(),
                };
                let supply = |source: &ComponentSource| -> Result<Component, SupplyError> {
                    if !matches!(source, ComponentSource::Deployed(_)) {
                        return self.supply.obtain(source);
                    }
                    self.supply.vouch(&obtained.bytes, version.signatures.as_deref().map(str::as_bytes))?;
                    Ok(Cow::Owned(obtained.bytes.clone()))
                };
                let deployed = load_one(&self.sandbox, &self.catalog.identity(name), &config, &supply)?;
                self.stage.try_out(&deployed, spec.check.as_deref())?;
                vec![(id, deployed)]
            }
        };
        let staged = self.store.stage(&obtained.bytes, version)?;
        let done = self.lock().change(name, base, &wanted, fresh);
        drop(staged);
        if done.is_err() {
            self.lock().clear_away();
        }
        done
    }

    /// Loads what is kept, and makes the change.
    fn revive(
        &self,
        name: &HandlerName,
        base: Base,
        change: &Change,
        missing: &[VersionId],
    ) -> Result<Done, Refusal> {
        let mut fresh: Fresh = Vec::new();
        for id in missing {
            let _held = self.store.hold(*id)?;
            fresh.push((*id, self.load_kept(name, *id)?));
        }
        self.lock().change(name, base, change, fresh)
    }

    fn load_kept(&self, name: &HandlerName, id: VersionId) -> Result<Arc<Deployed>, Refusal> {
        let config = config_of(&self.store, name, id, &self.host)
            .map_err(|why| Refusal::new(RefusalReason::BadSettings, why))?;
        let supply = |source: &ComponentSource| keep::obtain(&self.store, source, &*self.supply);
        let deployed = load_one(&self.sandbox, &self.catalog.identity(name), &config, &supply)?;
        // It was tried with its path before; what is to be had back in a hurry is started once.
        self.stage.try_out(&deployed, None)?;
        Ok(deployed)
    }

    fn obtain(&self, from: From) -> Result<(Obtained, Option<super::deployments::Held>), Refusal> {
        match from {
            From::Sent { bytes, signatures, held } => {
                Ok((Obtained { bytes, signatures, source: None }, Some(held)))
            }
            From::Fetched(reference) => {
                let fetched = self.supply.fetch(&reference, self.host.deploy.component_bytes_max);
                let Fetched { component, signatures, source } = fetched.map_err(|error| {
                    let (reason, error) = match error {
                        FetchError::BadReference(error) => (RefusalReason::BadChange, error),
                        FetchError::Failed(error) => (RefusalReason::FetchFailed, error),
                    };
                    Refusal::new(reason, chain(error.as_ref()))
                })?;
                Ok((Obtained { bytes: component, signatures, source: Some(source) }, None))
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
