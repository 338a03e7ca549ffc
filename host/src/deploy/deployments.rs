//! Deployments as the rest of the host sees them: to look at without waiting, and to be changed by asking the
//! two threads that may.

use super::api::{HandlerInfo, HandlerList, VersionList};
use super::canary::{Share, Tester};
use super::core::{Base, Core, Done};
use super::deployment::Change;
use super::keep::{Kept, Supply};
use super::loader::Loader;
use super::refusal::{Refusal, RefusalReason, no_handler};
use super::spec::Spec;
use super::switch::Switch;
use super::trial::Stage;
use super::version::VersionId;
use super::view::{View, of_settings};
use crate::admission::Admission;
use crate::config::{Config, HandlerName};
use crate::executor::Executor;
use crate::handlers::{Catalog, Deployed, Overlap, Unloaded};
use crate::sandbox::Sandbox;
use arc_swap::ArcSwap;
use std::io;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

/// Changes that wait for their turn, and as many again for what has to be loaded; those beyond are refused.
/// Together they take about half of the admin side's connections, so there is room to see why they wait.
const ORDERS_MAX: usize = 16;

/// Who is told what a change came to.
pub(super) type Reply = oneshot::Sender<Result<Done, Refusal>>;
/// What bounds how much of what is sent is in memory.
pub type Held = OwnedSemaphorePermit;

/// What is deployed, and how to change it.
pub struct Deployments {
    catalog: Arc<Catalog>,
    view: Arc<ArcSwap<View>>,
    /// None where nothing is kept.
    ask: Option<SyncSender<(Order, Reply)>>,
    /// What of it cannot be served, to be told once the host is up.
    pub damages: Vec<String>,
}

/// One change of one handler.
pub struct Order {
    /// Which.
    pub name: HandlerName,
    /// The generation it was asked for in.
    pub base: Base,
    /// What is to be done.
    pub what: What,
}

/// What is to be done with a handler.
pub enum What {
    /// A new version answers.
    Deploy(Box<New>),
    /// A new version is tried.
    Try {
        /// Which.
        new: Box<New>,
        /// With what part of the requests.
        share: Share,
        /// And with whose in any case.
        tester: Option<Tester>,
    },
    /// Something changes among the versions there are.
    Change(Change),
    /// It goes, with all of its versions.
    Remove,
}

/// A version that is new.
pub struct New {
    /// Its component.
    pub from: From,
    /// Its settings.
    pub spec: Spec,
}

/// Where the component of a new version comes from.
pub enum From {
    /// It was sent.
    Sent {
        /// The component.
        bytes: Vec<u8>,
        /// Who has signed it, as `FILE.sig` says it.
        signatures: Option<String>,
        /// Given back once the component is not in memory any more.
        held: Held,
    },
    /// It is to be fetched from there.
    Fetched(String),
}

/// What changes are made with.
pub struct Parts {
    /// What versions are loaded into.
    pub sandbox: Arc<Sandbox>,
    /// Where they are served.
    pub catalog: Arc<Catalog>,
    /// Who lets their trials in.
    pub admission: Arc<Admission>,
    /// Where their trials run.
    pub executor: Arc<Executor>,
    /// Where components come from.
    pub supply: Arc<dyn Supply>,
    /// The runtime of timers.
    pub io: Handle,
    /// The host's settings.
    pub host: Config,
}

/// Why deployments cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    /// They cannot be served beside what is configured.
    #[error(transparent)]
    Overlap(#[from] Overlap),
    /// The system refuses a thread.
    #[error("cannot start the threads of deployments")]
    Thread(#[from] io::Error),
}

impl Deployments {
    /// Keeps nothing, and takes none.
    pub fn off(catalog: Arc<Catalog>) -> Self {
        Self { catalog, view: Arc::default(), ask: None, damages: Vec::new() }
    }

    /// Serves what was kept, as far as it was `loaded`, and takes changes from now on.
    ///
    /// # Errors
    /// If it cannot be served beside what is configured, or the system refuses a thread.
    pub fn begin(
        mut kept: Kept,
        loaded: Vec<Result<Arc<Deployed>, Unloaded>>,
        parts: Parts,
    ) -> Result<Self, BeginError> {
        let Parts { sandbox, catalog, admission, executor, supply, io, host } = parts;
        let view = Arc::<ArcSwap<View>>::default();
        let (live, failed, damages) = kept.revive(loaded);
        let Kept { store, manifest, .. } = kept;
        let deploy = &host.deploy;
        let mut core = Core::new(
            store.clone(),
            catalog.clone(),
            manifest,
            deploy.versions_kept,
            deploy.canary,
            view.clone(),
        );
        core.begin(live, failed)?;
        let core = Arc::new(Mutex::new(core));
        let (ask, asked) = sync_channel(ORDERS_MAX);
        let (loader, to_load) = sync_channel(ORDERS_MAX);
        let switch = Switch { core: core.clone(), loader };
        let stage = Stage::new(admission, executor, io, host.executor.slice);
        let loader = Loader { core, store, sandbox, catalog: catalog.clone(), supply, stage, host };
        // Not waited for at the end: whatever they are at, what is on the disk is whole.
        std::thread::Builder::new().name("deploy".into()).spawn(move || switch.run(&asked))?;
        std::thread::Builder::new().name("deploy-load".into()).spawn(move || loader.run(&to_load))?;
        Ok(Self { catalog, view, ask: Some(ask), damages })
    }

    /// Makes a change, and waits for what comes of it. A change that nobody waits for any more goes on.
    ///
    /// # Errors
    /// Why it is not made.
    pub async fn ask(&self, order: Order) -> Result<Done, Refusal> {
        let ask = self.ask.as_ref().ok_or_else(|| {
            let detail = "this host keeps no deployments: give it a directory with --state";
            Refusal::new(RefusalReason::DeploymentsOff, detail)
        })?;
        let (reply, done) = oneshot::channel();
        match ask.try_send((order, reply)) {
            Ok(()) => done.await.unwrap_or_else(|_| Err(Refusal::gone())),
            Err(TrySendError::Full(_)) => Err(Refusal::plain(RefusalReason::Busy)),
            Err(TrySendError::Disconnected(_)) => Err(Refusal::gone()),
        }
    }

    /// Every handler.
    pub fn list(&self) -> HandlerList {
        self.view.load().list(&self.configured())
    }

    /// One handler.
    ///
    /// # Errors
    /// If there is none of this name.
    pub fn show(&self, name: &HandlerName) -> Result<HandlerInfo, Refusal> {
        if let Some(told) = self.view.load().handlers.get(name) {
            return Ok(told.info(name));
        }
        let configured = self.configured();
        let found = configured.iter().find(|handler| handler.name == *name);
        found.map(|handler| of_settings(handler)).ok_or_else(|| no_handler(name))
    }

    /// The versions of one handler.
    ///
    /// # Errors
    /// If none of this name is deployed.
    pub fn versions(&self, name: &HandlerName) -> Result<VersionList, Refusal> {
        let view = self.view.load();
        match view.handlers.get(name) {
            Some(told) => Ok(told.version_list(name)),
            None if self.configured().iter().any(|handler| handler.name == *name) => {
                let detail = format!("`{name}` is defined by the settings of the host, and has no versions");
                Err(Refusal::new(RefusalReason::Configured, detail))
            }
            None => Err(no_handler(name)),
        }
    }

    /// The generation that a handler is in; 0 where there is none.
    pub fn generation(&self, name: &HandlerName) -> u64 {
        self.view.load().handlers.get(name).map_or(0, |told| told.state.generation)
    }

    /// The version of a handler that is meant by its name or the first digits of it.
    ///
    /// # Errors
    /// If none is, or several are.
    pub fn find_version(&self, name: &HandlerName, text: &str) -> Result<VersionId, Refusal> {
        let view = self.view.load();
        let told = view.handlers.get(name).ok_or_else(|| no_handler(name))?;
        let meant = |id: &VersionId| !text.is_empty() && id.to_string().starts_with(text);
        let mut found = told.state.versions.iter().map(|deployed| deployed.id).filter(meant);
        match (found.next(), found.next()) {
            (Some(id), None) => Ok(id),
            (Some(_), Some(_)) => {
                let detail =
                    format!("more than one version of `{name}` begins with these digits: give more of them");
                Err(Refusal::new(RefusalReason::BadChange, detail))
            }
            (None, _) => {
                let shown: String = text.chars().take(64).collect();
                let detail = format!("`{name}` has no version {shown:?}; `versions` lists those there are");
                Err(Refusal::new(RefusalReason::NoSuchVersion, detail))
            }
        }
    }

    fn configured(&self) -> Vec<Arc<Deployed>> {
        let served = self.catalog.now();
        let view = self.view.load();
        let configured =
            served.handlers().iter().filter(|handler| !view.handlers.contains_key(&handler.name));
        configured.cloned().collect()
    }
}
