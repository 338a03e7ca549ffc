//! Loads handlers, several at once: at the start and for a reload, on threads of their own.

use super::deployed::{Deployed, Identity};
use crate::capabilities::OutboundGrant;
use crate::config::{ComponentSource, HandlerConfig, HandlerName};
use crate::digest::Digest;
use crate::registry::RegistryError;
use crate::sandbox::{Checked, Handler, HandlerSettings, LoadError, Part, Sandbox, compose};
use std::borrow::Cow;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The bytes of a component, in which nothing has looked yet.
pub type Component = Cow<'static, [u8]>;
/// Why there are none.
pub type SupplyError = Box<dyn Error + Send + Sync>;
/// Gets components from where they are named. Blocks, and is asked by several threads at once.
pub type Supplier<'a> = &'a (dyn Fn(&ComponentSource) -> Result<Component, SupplyError> + Sync);

/// A handler that cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("cannot serve {shown}")]
pub struct Unloaded {
    /// What was to be served.
    pub shown: String,
    /// Why it cannot be.
    #[source]
    pub source: SupplyError,
}

impl Unloaded {
    fn new(config: &HandlerConfig, source: impl Into<SupplyError>) -> Self {
        Self { shown: config.source.shown(), source: source.into() }
    }

    /// Whether the host, its machine or the way to a registry is at fault, and not what was named.
    pub fn is_hosts(&self) -> bool {
        let first: &(dyn Error + 'static) = &*self.source;
        let registry = std::iter::successors(Some(first), |&error| error.source())
            .find_map(|error| error.downcast_ref::<RegistryError>());
        registry.is_some_and(RegistryError::is_transient)
            || self.load_error().is_some_and(LoadError::is_hosts)
    }

    /// Why the sandbox does not take it, if it was that far.
    pub fn load_error(&self) -> Option<&LoadError> {
        self.source.downcast_ref()
    }
}

/// A middleware that there is not.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the middleware {name}")]
struct NoMiddleware {
    name: String,
    #[source]
    source: SupplyError,
}

/// A handler that was read and checked.
pub(super) struct Ready<'a> {
    /// How it is set.
    pub(super) config: &'a HandlerConfig,
    /// Its component.
    pub(super) component: Checked,
    /// What differs between any two that are served differently.
    pub(super) fingerprint: Digest,
}

/// Gets the component of every handler and checks it.
pub(super) fn read_all<'a>(
    handlers: &'a [HandlerConfig],
    supply: Supplier<'_>,
) -> Vec<Result<Ready<'a>, Unloaded>> {
    side_by_side(handlers, |config| read(config, supply))
}

/// Gets one component, with its middleware, and checks it.
fn read<'a>(config: &'a HandlerConfig, supply: Supplier<'_>) -> Result<Ready<'a>, Unloaded> {
    let bytes = obtain(config, supply).map_err(|error| Unloaded::new(config, error))?;
    let component = Checked::from_bytes(bytes.into_owned()).map_err(|error| Unloaded::new(config, error))?;
    let HandlerConfig { name, terms, .. } = config;
    let fingerprint = Digest::of(format!("{} {name} {terms:?}", component.digest()).as_bytes());
    Ok(Ready { config, component, fingerprint })
}

/// Gets, checks and loads one handler, which becomes a version of whoever `identity` is.
///
/// # Errors
/// Why it cannot be served.
pub fn load_one(
    sandbox: &Sandbox,
    identity: &Identity,
    config: &HandlerConfig,
    supply: Supplier<'_>,
) -> Result<Arc<Deployed>, Unloaded> {
    load_ready(sandbox, identity, &read(config, supply)?)
}

/// The component of a handler, with its middleware in front.
fn obtain(config: &HandlerConfig, supply: Supplier<'_>) -> Result<Component, SupplyError> {
    let handler = supply(&config.source)?;
    if config.terms.middleware.is_empty() {
        return Ok(handler);
    }
    let middleware = config.terms.middleware.iter().map(|source| {
        let name = source.shown();
        match supply(source) {
            Ok(bytes) => Ok(Part { name, bytes: bytes.into_owned() }),
            Err(source) => Err(NoMiddleware { name, source }),
        }
    });
    let middleware = middleware.collect::<Result<Vec<_>, _>>()?;
    let handler = Part { name: config.source.shown(), bytes: handler.into_owned() };
    Ok(Cow::Owned(compose(middleware, handler)?))
}

/// Loads every handler that was read, as whoever `identify` says that it is.
pub(super) fn load_all(
    sandbox: &Sandbox,
    identify: &(dyn Fn(&HandlerName) -> Identity + Sync),
    ready: &[&Ready<'_>],
) -> Vec<Result<Arc<Deployed>, Unloaded>> {
    side_by_side(ready, |ready| load_ready(sandbox, &identify(&ready.config.name), ready))
}

fn load_ready(sandbox: &Sandbox, identity: &Identity, ready: &Ready<'_>) -> Result<Arc<Deployed>, Unloaded> {
    let config = ready.config;
    let handler = load(sandbox, identity, config, &ready.component);
    let handler = handler.map_err(|error| Unloaded::new(config, error))?;
    let mut deployed =
        Deployed::new(config.name.clone(), identity, &config.terms, ready.fingerprint, handler);
    // What can be tried is counted apart from what it is tried against.
    deployed.tally = matches!(config.source, ComponentSource::Deployed(_)).then(Arc::default);
    Ok(Arc::new(deployed))
}

/// Loads one handler.
///
/// # Errors
/// Why it cannot be served.
pub fn load(
    sandbox: &Sandbox,
    identity: &Identity,
    config: &HandlerConfig,
    component: &Checked,
) -> Result<Arc<Handler>, LoadError> {
    let terms = &config.terms;
    let settings = HandlerSettings {
        name: config.name.shared(),
        env: terms.grants.env.clone(),
        outbound: OutboundGrant::new(&terms.grants.outbound, terms.grants.outbound_max),
        stats: identity.stats.clone(),
        reuse: terms.reuse,
        code_profile: terms.code_profile,
        tells_instance: matches!(config.source, ComponentSource::BuiltIn),
    };
    sandbox.load(component, terms.limits, settings)
}

/// Does the same for every item, on as many threads as there are cores; the results are in order.
fn side_by_side<'a, T: Sync, R: Send>(items: &'a [T], work: impl Fn(&'a T) -> R + Sync) -> Vec<R> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Relaxed);
            match items.get(at) {
                Some(item) => done.push((at, work(item))),
                None => return done,
            }
        }
    };
    let mut done: Vec<(usize, R)> = std::thread::scope(|scope| {
        let others: Vec<_> = (1..cores.min(items.len())).map(|_| scope.spawn(worker)).collect();
        let mine = worker();
        let theirs = others.into_iter().flat_map(|thread| thread.join().expect("a loader does not panic"));
        mine.into_iter().chain(theirs).collect()
    });
    done.sort_unstable_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}
