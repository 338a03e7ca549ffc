//! A deployment: which versions of one handler answer, and every step from one such state to the next.
//! Nothing here does anything: the driver persists a step before it makes it true.

use super::canary::Canary;
use super::version::VersionId;
use serde::{Deserialize, Serialize};

/// Bytes of the reason for a pause.
const PAUSE_REASON_BYTES_MAX: usize = 200;

/// The versions of one handler that answer or may answer again.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Deployment {
    /// Grows with every change, and is never one that this name had before.
    pub generation: u64,
    /// The version that answers.
    pub active: VersionId,
    /// The one that answered before it.
    pub previous: Option<VersionId>,
    /// The one that is tried with a share of the requests.
    pub canary: Option<Canary>,
    /// Why nothing answers for now.
    pub paused: Option<String>,
    /// Every version that can be had back, the latest deployed one first.
    pub versions: Vec<Deployed>,
}

/// A version in the history of a deployment.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Deployed {
    /// Which.
    pub id: VersionId,
    /// When it was deployed last, in milliseconds since 1970.
    pub at_ms: u64,
}

/// A step.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Change {
    /// This version answers from now on.
    Deploy(VersionId),
    /// The version before answers again, or this one; with a canary and no version, the canary ends.
    Rollback(Option<VersionId>),
    /// This version is tried.
    StartCanary(Canary),
    /// The canary is given up.
    EndCanary,
    /// The canary takes the active version's place.
    Promote,
    /// Nothing answers.
    Pause(String),
    /// It answers again.
    Resume,
}

/// Why a step cannot be made from this state.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[allow(missing_docs, reason = "each message says what its variant means")]
pub enum ChangeError {
    #[error("there is no handler of this name to change: deploy it first")]
    NoHandler,
    #[error("there is no version {}… of this handler; `versions` lists those there are", .0.short())]
    NoVersion(VersionId),
    #[error("there is no version before this one to go back to")]
    NoPrevious,
    #[error("no canary is running")]
    NoCanary,
    #[error("a canary is running: promote it or roll it back first")]
    CanaryRunning,
    #[error("this version is the one that answers already, so there is nothing to try")]
    AlreadyActive,
    #[error("a reason has at most {PAUSE_REASON_BYTES_MAX} bytes and no control characters")]
    PauseReason,
}

impl Deployment {
    /// The state after `change`, which is made in this `generation` and at this time; none where the
    /// change changes nothing. Of the versions nobody needs, the latest `kept` stay in the history.
    ///
    /// # Errors
    /// What forbids it.
    pub fn after(
        state: Option<&Self>,
        change: &Change,
        generation: u64,
        at_ms: u64,
        kept: usize,
    ) -> Result<Option<Self>, ChangeError> {
        let Some(before) = state else {
            return match change {
                Change::Deploy(version) => Ok(Some(Self::first(*version, generation, at_ms))),
                Change::Rollback(_)
                | Change::StartCanary(_)
                | Change::EndCanary
                | Change::Promote
                | Change::Pause(_)
                | Change::Resume => Err(ChangeError::NoHandler),
            };
        };
        let mut next = before.clone();
        next.step(change, at_ms)?;
        if next == *before {
            return Ok(None);
        }
        next.generation = generation;
        next.forget(kept);
        Ok(Some(next))
    }

    /// The versions that must not be forgotten.
    pub fn needed(&self) -> impl Iterator<Item = VersionId> {
        let canary = self.canary.as_ref().map(|canary| canary.version);
        [Some(self.active), self.previous, canary].into_iter().flatten()
    }

    fn first(version: VersionId, generation: u64, at_ms: u64) -> Self {
        Self {
            generation,
            active: version,
            previous: None,
            canary: None,
            paused: None,
            versions: vec![Deployed { id: version, at_ms }],
        }
    }

    fn step(&mut self, change: &Change, at_ms: u64) -> Result<(), ChangeError> {
        match change {
            Change::Deploy(_) | Change::StartCanary(_) if self.canary.is_some() => {
                return Err(ChangeError::CanaryRunning);
            }
            Change::Deploy(version) => {
                if self.activate(*version) {
                    self.record(*version, at_ms);
                }
            }
            Change::StartCanary(canary) => {
                if canary.version == self.active {
                    return Err(ChangeError::AlreadyActive);
                }
                self.record(canary.version, at_ms);
                self.canary = Some(canary.clone());
            }
            Change::Rollback(None) if self.canary.is_some() => self.canary = None,
            Change::Rollback(None) => {
                let previous = self.previous.ok_or(ChangeError::NoPrevious)?;
                self.activate(previous);
            }
            Change::Rollback(Some(version)) => {
                if !self.versions.iter().any(|deployed| deployed.id == *version) {
                    return Err(ChangeError::NoVersion(*version));
                }
                self.canary = None;
                self.activate(*version);
            }
            Change::EndCanary => {
                self.canary.take().ok_or(ChangeError::NoCanary)?;
            }
            Change::Promote => {
                let canary = self.canary.take().ok_or(ChangeError::NoCanary)?;
                self.activate(canary.version);
            }
            Change::Pause(reason) => {
                if reason.len() > PAUSE_REASON_BYTES_MAX || reason.chars().any(char::is_control) {
                    return Err(ChangeError::PauseReason);
                }
                self.paused = Some(reason.clone());
            }
            Change::Resume => self.paused = None,
        }
        Ok(())
    }

    /// Whether another version answers than before.
    fn activate(&mut self, version: VersionId) -> bool {
        let changed = version != self.active;
        if changed {
            self.previous = Some(std::mem::replace(&mut self.active, version));
        }
        changed
    }

    /// Puts a version first in the history.
    fn record(&mut self, id: VersionId, at_ms: u64) {
        self.versions.retain(|deployed| deployed.id != id);
        self.versions.insert(0, Deployed { id, at_ms });
    }

    fn forget(&mut self, kept: usize) {
        let needed: Vec<VersionId> = self.needed().collect();
        let mut place = 0;
        self.versions.retain(|deployed| {
            place += 1;
            place <= kept || needed.contains(&deployed.id)
        });
    }
}

/// Milliseconds since 1970: for people who look at it, and for nothing that is decided.
pub(super) fn now_ms() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    let (seconds, nanoseconds) = (u64::try_from(time.tv_sec), u64::try_from(time.tv_nsec));
    seconds.unwrap_or_default() * 1000 + nanoseconds.unwrap_or_default() / 1_000_000
}

#[cfg(test)]
#[path = "deployment/tests.rs"]
mod tests;
