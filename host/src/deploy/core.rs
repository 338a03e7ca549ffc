//! What is deployed, and each change of it: first what forbids it, then the manifest on the disk, then the table
//! that requests are led by. One at a time, and none of it compiles or waits for a guest.

use super::api::HandlerInfo;
use super::canary::{Canary, Judge, Picker, Seen, Verdict};
use super::deployment::{Change, Deployment, now_ms};
use super::refusal::{Refusal, RefusalReason, no_handler};
use super::store::{Manifest, Store, StoreError};
use super::version::VersionId;
use super::view::{Told, View};
use crate::config::{CanaryConfig, HandlerName};
use crate::handlers::{Answers, Catalog, Defined, Deployed, Overlap, Trial};
use crate::telemetry::chain;
use arc_swap::ArcSwap;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

/// Handlers that can be deployed on one host.
const HANDLERS_MAX: usize = 10_000;

/// The generation that a change was asked for in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Base {
    /// Whichever it is.
    Any,
    /// This one; 0 where there was no such handler.
    Exactly(u64),
}

/// What is deployed.
pub(super) struct Core {
    store: Arc<Store>,
    catalog: Arc<Catalog>,
    manifest: Manifest,
    /// What can answer without anything being loaded first.
    loaded: HashMap<(HandlerName, VersionId), Arc<Deployed>>,
    /// What is in the catalog.
    served: BTreeMap<HandlerName, Arc<Deployed>>,
    /// Why the active version of a handler cannot be served.
    failed: BTreeMap<HandlerName, String>,
    judges: BTreeMap<HandlerName, Judge>,
    kept: usize,
    canary: CanaryConfig,
    view: Arc<ArcSwap<View>>,
}

/// What a change came to.
#[derive(Clone, Debug)]
pub struct Done {
    /// Whether anything is other than before.
    pub changed: bool,
    /// The handler's generation now.
    pub generation: u64,
    /// The version that answers now; none once the handler is gone.
    pub active: Option<VersionId>,
    /// What the handler was made, whatever others make of it since; none once it is gone.
    pub handler: Option<Box<HandlerInfo>>,
}

/// Versions that have been loaded for a change.
pub(super) type Fresh = Vec<(VersionId, Arc<Deployed>)>;

impl Core {
    pub(super) fn new(
        store: Arc<Store>,
        catalog: Arc<Catalog>,
        manifest: Manifest,
        versions_kept: u32,
        canary: CanaryConfig,
        view: Arc<ArcSwap<View>>,
    ) -> Self {
        let kept = versions_kept as usize;
        Self {
            store,
            catalog,
            manifest,
            loaded: HashMap::new(),
            served: BTreeMap::new(),
            failed: BTreeMap::new(),
            judges: BTreeMap::new(),
            kept,
            canary,
            view,
        }
    }

    /// Serves what was found at the start, as far as it could be loaded.
    ///
    /// # Errors
    /// What cannot be served together with what is configured.
    pub(super) fn begin(
        &mut self,
        loaded: HashMap<(HandlerName, VersionId), Arc<Deployed>>,
        failed: BTreeMap<HandlerName, String>,
    ) -> Result<(), Overlap> {
        (self.loaded, self.failed) = (loaded, failed);
        let entries = self.manifest.handlers.iter().filter_map(|(name, state)| {
            let name = HandlerName::parse(name).ok()?;
            let entry = self.entry(&name, state, &Vec::new())?;
            Some((name, entry))
        });
        let served: BTreeMap<_, _> = entries.collect();
        self.catalog.replace(Defined::Deployed, served.values().cloned().collect())?;
        self.served = served;
        let names: Vec<HandlerName> = self.served.keys().cloned().collect();
        for name in &names {
            self.judge_anew(name);
        }
        self.publish();
        Ok(())
    }

    /// What the handler is now.
    pub(super) fn state(&self, name: &HandlerName) -> Option<&Deployment> {
        self.manifest.handlers.get(&name.to_string())
    }

    /// A version that needs no loading.
    pub(super) fn ready(&self, name: &HandlerName, version: VersionId) -> Option<&Arc<Deployed>> {
        self.loaded.get(&(name.clone(), version))
    }

    /// Refuses what was asked for in another generation than this.
    pub(super) fn check_base(&self, name: &HandlerName, base: Base) -> Result<(), Refusal> {
        let now = self.state(name).map_or(0, |state| state.generation);
        match base {
            Base::Exactly(asked) if asked != now => {
                let detail = match (asked, now) {
                    (0, now) => format!("there is a handler `{name}` already, in generation {now}"),
                    (asked, 0) => format!("there is no handler `{name}`; expected it in generation {asked}"),
                    (asked, now) => format!(
                        "`{name}` is in generation {now}, and the change was asked for in {asked}: look at what \
                         it is now, and ask again"
                    ),
                };
                Err(Refusal::new(RefusalReason::Conflict, detail))
            }
            Base::Any | Base::Exactly(_) => Ok(()),
        }
    }

    /// What `change` would make of the handler, and which versions have to be loaded for that.
    pub(super) fn plan(&self, name: &HandlerName, change: &Change) -> Result<Vec<VersionId>, Refusal> {
        let Some(next) = self.after(name, change)? else { return Ok(Vec::new()) };
        let canary = next.canary.as_ref().map(|canary| canary.version);
        let needed = [Some(next.active), canary].into_iter().flatten();
        // One that is known to be damaged is no reason to refuse what does not ask for it.
        let known_bad = |version: &VersionId| {
            self.failed.contains_key(name)
                && self.state(name).is_some_and(|state| state.active == *version)
                && matches!(change, Change::Pause(_) | Change::Resume | Change::EndCanary)
        };
        Ok(needed.filter(|version| self.ready(name, *version).is_none() && !known_bad(version)).collect())
    }

    /// Makes a change: whole or not at all.
    ///
    /// # Errors
    /// Why it is not made.
    pub(super) fn change(
        &mut self,
        name: &HandlerName,
        base: Base,
        change: &Change,
        fresh: Fresh,
    ) -> Result<Done, Refusal> {
        self.check_configured(name)?;
        let next = match self.after(name, change) {
            // What is so already is no conflict, and no change either.
            Ok(None) if fresh.is_empty() || !self.failed.contains_key(name) => {
                return Ok(self.done(name, false));
            }
            Ok(None) => return self.heal(name, fresh),
            Ok(Some(next)) => {
                self.check_base(name, base)?;
                next
            }
            Err(refusal) => {
                self.check_base(name, base)?;
                return Err(refusal);
            }
        };
        if self.state(name).is_none() && self.manifest.handlers.len() >= HANDLERS_MAX {
            let detail = format!("there are {HANDLERS_MAX} deployments already: remove one first");
            return Err(Refusal::new(RefusalReason::Busy, detail));
        }
        let entry = self.entry(name, &next, &fresh);
        // Nothing that has to be loaded first becomes what counts, but for what could not be served before.
        if entry.is_none() && !self.failed.contains_key(name) {
            let detail = format!("`{name}` was changed meanwhile: look at what it is now, and ask again");
            return Err(Refusal::new(RefusalReason::Conflict, detail));
        }
        let mut manifest = self.manifest.clone();
        manifest.generation = next.generation;
        manifest.handlers.insert(name.to_string(), next);
        let mut served = self.served.clone();
        match entry {
            Some(entry) => served.insert(name.clone(), entry),
            None => served.remove(name),
        };
        self.commit(manifest, served)?;
        self.loaded.extend(fresh.into_iter().map(|(version, deployed)| ((name.clone(), version), deployed)));
        if self.served.contains_key(name) {
            self.failed.remove(name);
        }
        self.settle(name);
        Ok(self.done(name, true))
    }

    /// Serves what was deployed before and could not be served so far.
    fn heal(&mut self, name: &HandlerName, fresh: Fresh) -> Result<Done, Refusal> {
        let state = self.state(name).ok_or_else(|| no_handler(name))?;
        let mut served = self.served.clone();
        served.extend(self.entry(name, state, &fresh).map(|entry| (name.clone(), entry)));
        self.catalog.replace(Defined::Deployed, served.values().cloned().collect())?;
        self.served = served;
        self.loaded.extend(fresh.into_iter().map(|(version, deployed)| ((name.clone(), version), deployed)));
        self.failed.remove(name);
        self.settle(name);
        Ok(self.done(name, true))
    }

    /// Takes a handler away, with all of its versions.
    ///
    /// # Errors
    /// Why it stays.
    pub(super) fn remove(&mut self, name: &HandlerName, base: Base) -> Result<Done, Refusal> {
        self.check_configured(name)?;
        if self.state(name).is_none() {
            return Err(no_handler(name));
        }
        self.check_base(name, base)?;
        let mut manifest = self.manifest.clone();
        manifest.generation += 1;
        manifest.handlers.remove(&name.to_string());
        let mut served = self.served.clone();
        served.remove(name);
        let generation = manifest.generation;
        self.commit(manifest, served)?;
        self.failed.remove(name);
        self.settle(name);
        Ok(Done { changed: true, generation, active: None, handler: None })
    }

    /// Looks at every canary, and returns those that are to be given up.
    pub(super) fn judge(&mut self, now: Instant) -> Vec<(HandlerName, Verdict)> {
        let mut verdicts = Vec::new();
        for (name, judge) in &mut self.judges {
            let canary = self.manifest.handlers.get(&name.to_string()).and_then(|it| it.canary.as_ref());
            let Some(canary) = canary else { continue };
            let Some(tried) = self.loaded.get(&(name.clone(), canary.version)) else { continue };
            if let Some(verdict) = judge.look(now, seen(tried)) {
                verdicts.push((name.clone(), verdict));
            }
        }
        verdicts
    }

    /// Whether any canary is looked at.
    pub(super) fn judges(&self) -> bool {
        !self.judges.is_empty()
    }

    fn after(&self, name: &HandlerName, change: &Change) -> Result<Option<Deployment>, Refusal> {
        let generation = self.manifest.generation + 1;
        let after = Deployment::after(self.state(name), change, generation, now_ms(), self.kept);
        after.map_err(Refusal::from)
    }

    fn check_configured(&self, name: &HandlerName) -> Result<(), Refusal> {
        match self.catalog.defined(name) {
            Some((Defined::Configured, _)) => Err(Refusal::new(
                RefusalReason::Configured,
                format!("`{name}` is defined by the settings of the host: change it there, and reload"),
            )),
            Some((Defined::Deployed, _)) | None => Ok(()),
        }
    }

    /// What requests are led to in this state; none if the active version is not loaded.
    fn entry(&self, name: &HandlerName, state: &Deployment, fresh: &Fresh) -> Option<Arc<Deployed>> {
        let find = |version: VersionId| {
            let fresh = fresh.iter().find(|(id, _)| *id == version).map(|(_, deployed)| deployed);
            fresh.or_else(|| self.ready(name, version))
        };
        let active = find(state.active)?;
        let tried = state.canary.as_ref().and_then(|canary| Some((canary, find(canary.version)?)));
        let answers = match (&state.paused, tried) {
            (Some(_), _) => Answers::Nobody,
            (None, Some((canary, with))) => Answers::Tried(Arc::new(trial(canary, with))),
            (None, None) => Answers::Itself,
        };
        Some(Arc::new(Deployed { answers, ..Deployed::clone(active) }))
    }

    /// First the disk, then the table.
    fn commit(
        &mut self,
        manifest: Manifest,
        served: BTreeMap<HandlerName, Arc<Deployed>>,
    ) -> Result<(), Refusal> {
        let entries = served.values().cloned().collect();
        self.catalog.replace_once(Defined::Deployed, entries, || {
            match self.store.commit(&manifest) {
                // The new one is in its place: whatever comes, the old one does not return.
                Err(error @ StoreError::Unsynced { .. }) => {
                    tracing::error!(error = chain(&error), "the change may be lost with the power");
                    Ok(())
                }
                written => written.map_err(Refusal::from),
            }
        })?;
        let before = std::mem::replace(&mut self.manifest, manifest);
        self.served = served;
        if !before.versions().is_subset(&self.manifest.versions()) {
            self.clear_away();
        }
        Ok(())
    }

    /// What follows from a change that is made.
    fn settle(&mut self, name: &HandlerName) {
        let needed: Vec<VersionId> =
            self.state(name).map(|state| state.needed().collect()).unwrap_or_default();
        self.loaded.retain(|(of, version), _| of != name || needed.contains(version));
        self.judge_anew(name);
        self.publish();
    }

    /// Clears away what nobody needs any more.
    pub(super) fn clear_away(&self) {
        if let Err(error) = self.store.collect(&self.manifest) {
            tracing::warn!(error = chain(&error), "versions that nobody needs were not cleared away");
        }
    }

    fn judge_anew(&mut self, name: &HandlerName) {
        let state = self.manifest.handlers.get(&name.to_string());
        let canary = state.and_then(|state| state.canary.as_ref());
        match canary.and_then(|canary| self.loaded.get(&(name.clone(), canary.version))) {
            Some(tried) => {
                let CanaryConfig { window, failures_percent_max, requests_min } = self.canary;
                let percent = u8::try_from(failures_percent_max).unwrap_or(100);
                let judge = Judge::new(window, percent, requests_min.into(), Instant::now(), seen(tried));
                self.judges.insert(name.clone(), judge);
            }
            None => {
                self.judges.remove(name);
            }
        }
    }

    fn done(&self, name: &HandlerName, changed: bool) -> Done {
        let state = self.state(name);
        Done {
            changed,
            generation: state.map_or(0, |state| state.generation),
            active: state.map(|state| state.active),
            handler: self.view.load().handlers.get(name).map(|told| Box::new(told.info(name))),
        }
    }

    /// Tells those who look what is deployed now.
    fn publish(&self) {
        let before = self.view.load();
        let mut handlers = BTreeMap::new();
        for (name, state) in &self.manifest.handlers {
            let Ok(name) = HandlerName::parse(name) else { continue };
            let known = before.handlers.get(&name);
            let versions = state.versions.iter().map(|deployed| {
                let known = known.and_then(|told| told.versions.get(&deployed.id)).cloned().flatten();
                // One that could not be read may be there again.
                (deployed.id, known.or_else(|| self.store.version(deployed.id).ok().map(Arc::new)))
            });
            let versions = versions.collect();
            let canary = state.canary.as_ref().and_then(|canary| self.ready(&name, canary.version));
            let told = Told {
                state: state.clone(),
                versions,
                routes: self.served.get(&name).map(|it| it.routes.clone()).unwrap_or_default(),
                tally: canary.and_then(|tried| tried.tally.clone()),
                error: self.failed.get(&name).cloned(),
            };
            handlers.insert(name, told);
        }
        self.view.store(Arc::new(View { generation: self.manifest.generation, handlers }));
    }
}

fn trial(canary: &Canary, with: &Arc<Deployed>) -> Trial {
    let picker = Picker::new(canary);
    Trial { picks: Box::new(move |headers| picker.picks(headers)), with: with.clone() }
}

fn seen(tried: &Deployed) -> Seen {
    let (requests, failures) = tried.tally.as_ref().map(|tally| tally.seen()).unwrap_or_default();
    Seen { requests, failures }
}
