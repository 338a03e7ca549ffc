//! What the store holds at the start of a host: which versions are to be loaded, and why some cannot be.

use super::spec::Spec;
use super::store::{Manifest, Store};
use super::version::VersionId;
use crate::config::{ComponentSource, Config, HandlerConfig, HandlerName, Origin};
use crate::handlers::{Component, Deployed, SupplyError, Unloaded};
use crate::telemetry::chain;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// A component that was fetched.
pub struct Fetched {
    /// Its bytes.
    pub component: Vec<u8>,
    /// Who has signed it, as `FILE.sig` says it.
    pub signatures: Option<String>,
    /// Where it came from, as exactly as that can be said.
    pub source: String,
}

/// What deployments get from elsewhere. Blocks, and is asked by several threads at once.
pub trait Supply: Send + Sync {
    /// The component of something that the host itself names: middleware.
    ///
    /// # Errors
    /// Why there is none.
    fn obtain(&self, source: &ComponentSource) -> Result<Component, SupplyError>;

    /// Checks that a component may be used, whoever sent it.
    ///
    /// # Errors
    /// Why it may not.
    fn vouch(&self, component: &[u8], signatures: Option<&[u8]>) -> Result<(), SupplyError>;

    /// Fetches a component of this many bytes at most.
    ///
    /// # Errors
    /// Why it cannot.
    fn fetch(&self, reference: &str, bytes_max: u64) -> Result<Fetched, FetchError>;
}

/// Why a component was not fetched.
#[derive(Debug)]
pub enum FetchError {
    /// What is to be fetched is not named as it has to be.
    BadReference(SupplyError),
    /// It cannot be had.
    Failed(SupplyError),
}

/// What was found in a store.
pub struct Kept {
    pub(super) store: Arc<Store>,
    pub(super) manifest: Manifest,
    /// What is to be loaded, in order.
    pub configs: Vec<HandlerConfig>,
    ids: Vec<VersionId>,
    /// What cannot even be looked at, and why.
    unfit: Vec<(HandlerName, VersionId, String)>,
}

/// What can be served of it, why an active version cannot be, and what there is to tell of the rest.
pub(super) type Revived =
    (HashMap<(HandlerName, VersionId), Arc<Deployed>>, BTreeMap<HandlerName, String>, Vec<String>);

impl Kept {
    /// Looks at what answers, and what is tried, in `manifest`.
    pub fn look(store: Store, manifest: Manifest, host: &Config) -> Self {
        let (mut configs, mut ids, mut unfit) = (Vec::new(), Vec::new(), Vec::new());
        for (name, state) in &manifest.handlers {
            let Ok(name) = HandlerName::parse(name) else { continue };
            let canary = state.canary.as_ref().map(|canary| canary.version);
            for id in [Some(state.active), canary].into_iter().flatten() {
                match config_of(&store, &name, id, host) {
                    Ok(config) => {
                        configs.push(config);
                        ids.push(id);
                    }
                    Err(why) => unfit.push((name.clone(), id, why)),
                }
            }
        }
        Self { store: Arc::new(store), manifest, configs, ids, unfit }
    }

    /// Where the store is.
    pub fn directory(&self) -> &std::path::Path {
        self.store.directory()
    }

    /// The component of a version that is kept, vouched for as any other.
    ///
    /// # Errors
    /// Why it cannot be had.
    pub fn obtain(&self, source: &ComponentSource, supply: &dyn Supply) -> Result<Component, SupplyError> {
        obtain(&self.store, source, supply)
    }

    /// Sorts what was loaded from what could not be.
    pub(super) fn revive(&mut self, loaded: Vec<Result<Arc<Deployed>, Unloaded>>) -> Revived {
        let (mut live, mut failed, mut damages) = (HashMap::new(), BTreeMap::new(), Vec::new());
        for ((config, id), loaded) in self.configs.iter().zip(&self.ids).zip(loaded) {
            match loaded {
                Ok(deployed) => {
                    live.insert((config.name.clone(), *id), deployed);
                }
                Err(unloaded) => {
                    self.unfit.push((config.name.clone(), *id, chain(unloaded.source.as_ref())));
                }
            }
        }
        for (name, id, why) in self.unfit.drain(..) {
            let version = id.short();
            damages.push(format!("a deployed version cannot be served: {version} of `{name}`: {why}"));
            if self.manifest.handlers.get(&name.to_string()).is_some_and(|state| state.active == id) {
                failed.insert(name, why);
            }
        }
        (live, failed, damages)
    }
}

/// How a version that is kept is served.
///
/// # Errors
/// Why it cannot be, in words.
pub(super) fn config_of(
    store: &Store,
    name: &HandlerName,
    id: VersionId,
    host: &Config,
) -> Result<HandlerConfig, String> {
    let version = store.version(id).map_err(|error| chain(&error))?;
    let spec = Spec::of_map(&version.settings).map_err(|refusal| refusal.detail)?;
    let terms = spec.terms(name, host).map_err(|refusal| refusal.detail)?;
    Ok(HandlerConfig {
        name: name.clone(),
        source: ComponentSource::Deployed(id.to_string().into()),
        terms,
        origin: Origin::Nowhere,
        own: Vec::new(),
    })
}

/// The component of a version that is kept, else whatever `supply` has.
pub(super) fn obtain(
    store: &Store,
    source: &ComponentSource,
    supply: &dyn Supply,
) -> Result<Component, SupplyError> {
    let ComponentSource::Deployed(id) = source else { return supply.obtain(source) };
    let version = store.version(id.parse()?)?;
    let bytes = store.component(version.component)?;
    supply.vouch(&bytes, version.signatures.as_deref().map(str::as_bytes))?;
    Ok(Cow::Owned(bytes))
}
