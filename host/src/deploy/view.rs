//! What is deployed as those see it who only look: a copy that is never waited for.

use super::api::{
    CanaryInfo, DefinedBy, HandlerInfo, HandlerList, HandlerState, VersionInfo, VersionList, VersionRole,
};
use super::deployment::{self, Deployment};
use super::spec::Spec;
use super::version::{Version, VersionId};
use crate::config::HandlerName;
use crate::handlers::Deployed;
use crate::routing::Route;
use crate::telemetry::Tally;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Everything that is deployed at one moment.
#[derive(Default)]
pub(super) struct View {
    pub(super) generation: u64,
    pub(super) handlers: BTreeMap<HandlerName, Told>,
}

/// One deployment.
pub(super) struct Told {
    pub(super) state: Deployment,
    /// None for one that cannot be read.
    pub(super) versions: HashMap<VersionId, Option<Arc<Version>>>,
    pub(super) routes: Vec<Route>,
    /// What the canary's requests came to.
    pub(super) tally: Option<Arc<Tally>>,
    pub(super) error: Option<String>,
}

impl View {
    /// Every handler, with those that the settings define.
    pub(super) fn list(&self, configured: &[Arc<Deployed>]) -> HandlerList {
        let mut handlers: Vec<HandlerInfo> = configured.iter().map(|handler| of_settings(handler)).collect();
        handlers.extend(self.handlers.iter().map(|(name, told)| told.info(name)));
        handlers.sort_by(|one, other| one.name.cmp(&other.name));
        HandlerList { generation: self.generation, handlers }
    }
}

/// A handler that the settings define.
pub(super) fn of_settings(handler: &Deployed) -> HandlerInfo {
    HandlerInfo {
        name: handler.name.clone(),
        origin: DefinedBy::Settings,
        state: HandlerState::Serving,
        routes: spelled(&handler.routes),
        generation: None,
        active: None,
        previous: None,
        canary: None,
        paused: None,
        error: None,
    }
}

impl Told {
    pub(super) fn info(&self, name: &HandlerName) -> HandlerInfo {
        let state = &self.state;
        HandlerInfo {
            name: name.clone(),
            origin: DefinedBy::Deployment,
            state: match (&self.error, &state.paused) {
                (Some(_), _) => HandlerState::Failed,
                (None, Some(_)) => HandlerState::Paused,
                (None, None) => HandlerState::Serving,
            },
            routes: spelled(&self.routes),
            generation: Some(state.generation),
            active: state
                .versions
                .iter()
                .find(|kept| kept.id == state.active)
                .and_then(|kept| self.version(kept)),
            previous: state.previous,
            canary: self.canary(),
            paused: state.paused.clone(),
            error: self.error.clone(),
        }
    }

    pub(super) fn version_list(&self, name: &HandlerName) -> VersionList {
        VersionList { name: name.clone(), generation: self.state.generation, versions: self.versions() }
    }

    fn canary(&self) -> Option<CanaryInfo> {
        let canary = self.state.canary.as_ref()?;
        let (requests, failures) = self.tally.as_ref().map(|tally| tally.seen()).unwrap_or_default();
        Some(CanaryInfo {
            version: canary.version,
            percent: canary.share.as_percent(),
            tester: canary.tester.as_ref().map(ToString::to_string),
            requests,
            failures,
        })
    }

    fn versions(&self) -> Vec<VersionInfo> {
        self.state.versions.iter().filter_map(|kept| self.version(kept)).collect()
    }

    /// What is told of a version, none if it cannot be read. Reads its settings: not to be asked of all versions of
    /// all handlers.
    fn version(&self, kept: &deployment::Deployed) -> Option<VersionInfo> {
        let version = self.versions.get(&kept.id)?.as_ref()?;
        let spec = Spec::of_map(&version.settings).unwrap_or_default();
        Some(VersionInfo {
            id: kept.id,
            role: self.role(kept.id),
            component: version.component,
            component_bytes: version.component_bytes,
            source: version.source.clone(),
            deployed_at_ms: kept.at_ms,
            settings: spec.shown(),
            check: spec.check,
        })
    }

    fn role(&self, id: VersionId) -> VersionRole {
        let state = &self.state;
        if state.active == id {
            VersionRole::Active
        } else if state.canary.as_ref().is_some_and(|canary| canary.version == id) {
            VersionRole::Canary
        } else if state.previous == Some(id) {
            VersionRole::Previous
        } else {
            VersionRole::Kept
        }
    }
}

fn spelled(routes: &[Route]) -> Vec<String> {
    routes.iter().map(ToString::to_string).collect()
}
