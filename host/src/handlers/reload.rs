//! Another set of handlers in the place of the one that is served: whole or not at all, and those that are
//! the same stay who they are.

use super::catalog::{Catalog, Defined};
use super::deployed::Deployed;
use super::load::{Ready, Supplier, load_all, read_all};
use super::start::{StartError, all};
use crate::config::{HandlerConfig, HandlerName};
use crate::sandbox::Sandbox;
use std::collections::HashMap;
use std::sync::Arc;

/// What a reload came to.
#[derive(Debug, Default)]
pub struct Change {
    /// Handlers that are new, or other than before.
    pub loaded: Vec<HandlerName>,
    /// Handlers that are not served any more.
    pub gone: Vec<HandlerName>,
}

/// Serves `handlers` in the place of those that were configured before. Blocks for as long as the new ones
/// take to be read and compiled; what is served goes on meanwhile.
///
/// # Errors
/// Every handler that cannot be served, or what they lack together. Then all stays as it is.
pub fn reload(
    sandbox: &Sandbox,
    catalog: &Catalog,
    handlers: &[HandlerConfig],
    supply: Supplier<'_>,
) -> Result<Change, StartError> {
    let ready = all(read_all(handlers, supply))?;
    let before = catalog.defined_by(Defined::Configured);
    let known: HashMap<_, _> = before.iter().map(|handler| (handler.fingerprint, handler)).collect();
    let news: Vec<&Ready<'_>> =
        ready.iter().filter(|ready| !known.contains_key(&ready.fingerprint)).collect();
    let mut change =
        Change { loaded: news.iter().map(|ready| ready.config.name.clone()).collect(), gone: Vec::new() };
    let mut loaded = all(load_all(sandbox, &|name| catalog.identity(name), &news))?.into_iter();
    let serve = |ready: &Ready<'_>| match known.get(&ready.fingerprint) {
        Some(same) => Some(Arc::clone(same)),
        None => loaded.next(),
    };
    let served: Vec<Arc<Deployed>> = ready.iter().filter_map(serve).collect();
    let stays = |name: &HandlerName| handlers.iter().any(|handler| handler.name == *name);
    change.gone = before.iter().map(|handler| &handler.name).filter(|name| !stays(name)).cloned().collect();
    catalog.replace(Defined::Configured, served)?;
    Ok(change)
}
