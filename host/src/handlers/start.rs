//! The handlers that a host starts with: all of them read, the sandbox laid out for the largest, all of
//! them loaded, and those that are configured served together or not at all.

use super::catalog::{Catalog, Defined, Overlap};
use super::deployed::{Deployed, Identity};
use super::load::{Ready, Supplier, Unloaded, load_all, read_all};
use crate::config::{Config, HandlerConfig, HandlerName};
use crate::sandbox::{Compiler, LoadError, Needs, Sandbox, SandboxError};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Why a host cannot start with its handlers.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// These cannot be served, each for its own reason.
    #[error("{} handlers cannot be served", .0.len())]
    Handlers(Vec<Unloaded>),
    /// The machine lacks what all of them need.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// They cannot be served together.
    #[error(transparent)]
    Overlap(#[from] Overlap),
}

/// What a start came to.
pub struct Started {
    /// What all handlers are loaded into.
    pub sandbox: Sandbox,
    /// Those that were deployed before, in order, and not served yet: each loaded, or why it cannot be.
    pub deployed: Vec<Result<Arc<Deployed>, Unloaded>>,
}

/// Loads the handlers of `config`, and beside them those that are `deployed`, into a sandbox that is made for
/// all of them, and serves those of `config`; `supply` gets the components.
///
/// # Errors
/// Why nothing can be served; of the handlers of `config` every one at fault is named.
pub fn start(
    config: &Config,
    deployed: &[HandlerConfig],
    catalog: &Catalog,
    supply: Supplier<'_>,
) -> Result<Started, StartError> {
    let configured = all(read_all(&config.handlers, supply))?;
    let deployed = read_all(deployed, supply);
    let ready: Vec<&Ready<'_>> =
        configured.iter().chain(deployed.iter().filter_map(|read| read.as_ref().ok())).collect();
    let mut needs = Needs::default();
    for handler in &ready {
        needs.add(&handler.component, &handler.config.terms.limits);
    }
    let (compiler, warning) = Compiler::new(&config.compile);
    let compiler = Arc::new(compiler);
    let sandbox = |needs: &Needs| Sandbox::new(needs, config.limits, &config.admission, compiler.clone());
    // All versions of a name are one handler.
    let known = Mutex::new(HashMap::<HandlerName, Identity>::new());
    let identify = |name: &HandlerName| {
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(name.clone()).or_insert_with(|| catalog.identity(name)).clone()
    };
    let mut made = sandbox(&needs)?;
    let mut loaded = load_all(&made, &identify, &ready);
    let mut grew = false;
    for (handler, loaded) in ready.iter().zip(&loaded) {
        // What a component really holds, its bytes do not always say.
        if let Err(Some(LoadError::Room { needed, .. })) = loaded.as_ref().map_err(Unloaded::load_error) {
            needs.add_shape(needed, &handler.config.terms.limits);
            grew = true;
        }
    }
    if grew {
        // A pool keeps its address space: the old one goes first.
        drop((made, loaded));
        made = sandbox(&needs)?;
        loaded = load_all(&made, &identify, &ready);
    }
    let mut of_deployed = loaded.split_off(configured.len()).into_iter();
    catalog.replace(Defined::Configured, all(loaded)?)?;
    made.warnings.extend(warning);
    let deployed = deployed.into_iter().filter_map(|read| match read {
        Ok(_) => of_deployed.next(),
        Err(unloaded) => Some(Err(unloaded)),
    });
    Ok(Started { deployed: deployed.collect(), sandbox: made })
}

/// All of them, or all that failed.
pub(super) fn all<T>(results: Vec<Result<T, Unloaded>>) -> Result<Vec<T>, StartError> {
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(one) => done.push(one),
            Err(error) => failed.push(error),
        }
    }
    if failed.is_empty() { Ok(done) } else { Err(StartError::Handlers(failed)) }
}
