//! The deployments of a host as it starts: the store it keeps them in, or why it keeps none.

use super::exit::Failure;
use crate::config::{Config, HandlerName, StateConfig};
use crate::deploy::{BeginError, Deployments, Kept, Opened, Parts, Store, StoreError};
use crate::handlers::{Deployed, Overlap, Unloaded};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Opens the store that the settings name, and looks at what is kept there; none where nothing is. The usual
/// one is done without if it cannot be used: most hosts deploy nothing.
pub(super) fn open(config: &Config, warnings: &mut Vec<String>) -> Result<Option<Kept>, Failure> {
    let (directory, asked) = match &config.deploy.state {
        StateConfig::Off => return Ok(None),
        StateConfig::Directory(directory) => (directory.clone(), true),
        StateConfig::User => match StateConfig::user_directory() {
            Some(directory) => (directory, false),
            None => {
                let why = "neither XDG_STATE_HOME nor HOME is set";
                warnings.push(without(Path::new("the user's state directory"), why));
                return Ok(None);
            }
        },
    };
    match Store::open(&directory) {
        Ok(Opened { store, manifest, removed }) => {
            if removed > 0 {
                let shown = directory.display();
                warnings.push(format!("{shown}: {removed} files were cleared away that no deployment needs"));
            }
            Ok(Some(Kept::look(store, manifest, config)))
        }
        Err(error) if !asked && !matches!(error, StoreError::Damaged { .. }) => {
            warnings.push(without(&directory, &format!("{:#}", anyhow::Error::from(error))));
            Ok(None)
        }
        Err(error) => Err(unusable(error, &directory)),
    }
}

/// Serves what was kept, and takes changes from now on.
pub(super) fn begin(
    kept: Option<Kept>,
    loaded: Vec<Result<Arc<Deployed>, Unloaded>>,
    parts: Parts,
) -> Result<Deployments, Failure> {
    let Some(kept) = kept else { return Ok(Deployments::off(parts.catalog)) };
    let directory: PathBuf = kept.directory().to_owned();
    let configured: Vec<(HandlerName, String)> =
        parts.host.handlers.iter().map(|handler| (handler.name.clone(), handler.source.shown())).collect();
    Deployments::begin(kept, loaded, parts).map_err(|error| match error {
        BeginError::Overlap(overlap) => {
            let what = format!(
                "what is deployed, in {}, cannot be served beside what is configured{}: rename or remove one of \
                 the two",
                directory.display(),
                place(&overlap, &configured)
            );
            Failure::Configuration(anyhow::Error::from(overlap).context(what))
        }
        BeginError::Thread(_) => Failure::Other(error.into()),
    })
}

/// Where the configured one of two handlers comes from.
fn place(overlap: &Overlap, configured: &[(HandlerName, String)]) -> String {
    let name = match overlap {
        Overlap::Name(name) => name,
        Overlap::Route { with, .. } => with,
    };
    let found = configured.iter().find(|(known, _)| known == name);
    found.map_or_else(String::new, |(_, source)| format!(", in {source}"))
}

fn without(directory: &Path, why: &str) -> String {
    format!("no deployments, since {} cannot be used: {why}", directory.display())
}

fn unusable(error: StoreError, directory: &Path) -> Failure {
    let hosts = matches!(error, StoreError::NoSpace { .. } | StoreError::Unsynced { .. });
    let what = format!("cannot keep deployments in {} (`state`)", directory.display());
    let error = anyhow::Error::from(error).context(what);
    if hosts { Failure::Other(error) } else { Failure::Configuration(error) }
}
