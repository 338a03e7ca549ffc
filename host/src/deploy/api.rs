//! What the admin side says and is told about deployments: the documents that both ends of it share.

use super::canary::Tester;
use super::spec::Spec;
use super::version::VersionId;
use crate::config::HandlerName;
use crate::digest::Digest;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Every handler.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
pub struct HandlerList {
    /// Grows with every change to any deployment.
    pub generation: u64,
    /// The handlers by their names.
    pub handlers: Vec<HandlerInfo>,
}

/// One handler.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct HandlerInfo {
    /// What it is called.
    #[schemars(with = "String")]
    pub name: HandlerName,
    /// Who says that it is served.
    pub origin: DefinedBy,
    /// What it does.
    pub state: HandlerState,
    /// Where it is served.
    pub routes: Vec<String>,
    /// The generation of its last change; none for what the settings define.
    pub generation: Option<u64>,
    /// The version that answers; none for what the settings define.
    pub active: Option<VersionInfo>,
    /// The one that answered before it.
    #[schemars(with = "Option<String>")]
    pub previous: Option<VersionId>,
    /// The one that is tried.
    pub canary: Option<CanaryInfo>,
    /// Why it is paused.
    pub paused: Option<String>,
    /// Why it cannot be served.
    pub error: Option<String>,
}

/// Who says that a handler is served.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DefinedBy {
    /// The settings file, a directory or the command line.
    Settings,
    /// A deployment.
    Deployment,
}

/// What a handler does.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HandlerState {
    /// It answers.
    Serving,
    /// It does not answer until it is resumed.
    Paused,
    /// What is kept of it cannot be served.
    Failed,
}

/// One version.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct VersionInfo {
    /// Its name: the digest of its component and settings.
    #[schemars(with = "String")]
    pub id: VersionId,
    /// What it is to its handler.
    pub role: VersionRole,
    /// The digest of its component.
    #[schemars(with = "String")]
    pub component: Digest,
    /// Bytes of its component.
    pub component_bytes: u64,
    /// Where its component was fetched from, if it was not sent.
    pub source: Option<String>,
    /// When it was deployed last, in milliseconds since 1970.
    pub deployed_at_ms: u64,
    /// What was asked of it before it answered anyone.
    pub check: Option<String>,
    /// Its own settings, without the values of its variables.
    pub settings: BTreeMap<String, Vec<String>>,
}

/// What a version is to its handler.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VersionRole {
    /// It answers.
    Active,
    /// It is tried.
    Canary,
    /// It answered before: a rollback goes to it.
    Previous,
    /// It is kept.
    Kept,
}

/// A version that is tried.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct CanaryInfo {
    /// Which.
    #[schemars(with = "String")]
    pub version: VersionId,
    /// What part of the requests it gets.
    pub percent: u8,
    /// Whose requests it gets in any case.
    pub tester: Option<String>,
    /// Requests that it has answered or failed.
    pub requests: u64,
    /// Those of them that it failed, or answered with 500 and above.
    pub failures: u64,
}

/// The versions of a handler, the latest deployed one first.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct VersionList {
    /// The handler.
    #[schemars(with = "String")]
    pub name: HandlerName,
    /// Its generation.
    pub generation: u64,
    /// Its versions.
    pub versions: Vec<VersionInfo>,
}

/// What a change came to.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct Changed {
    /// Whether anything is other than before.
    pub changed: bool,
    /// What it is now.
    pub handler: HandlerInfo,
}

/// A handler that is gone.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct Removed {
    /// What it was called.
    #[schemars(with = "String")]
    pub name: HandlerName,
    /// The generation of its end.
    pub generation: u64,
}

/// A component that is to be fetched and deployed, or tried.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FetchOrder {
    /// Where it is: `oci://registry/repository:tag` or `…@sha256:…`.
    pub component: String,
    /// Its settings.
    #[serde(default)]
    pub settings: Spec,
}

/// Which version a rollback goes to.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RollbackOrder {
    /// The version's name, or its first digits; the one before the active one if there is nothing.
    pub version: Option<String>,
}

/// How a version is tried that is kept already, or is fetched.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CanaryOrder {
    /// A version that is kept, by its name or its first digits.
    pub version: Option<String>,
    /// Or a component that is fetched.
    pub component: Option<String>,
    /// The settings of the component that is fetched.
    #[serde(default)]
    pub settings: Spec,
    /// What part of the requests it gets, in whole percent.
    #[schemars(range(max = 100))]
    pub percent: u8,
    /// Whose requests it gets in any case: `header NAME[=VALUE]` or `cookie NAME=VALUE`.
    #[schemars(with = "Option<String>")]
    pub tester: Option<Tester>,
}

/// Why a handler is paused.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PauseOrder {
    /// For whoever asks; 200 bytes at most.
    #[serde(default)]
    pub reason: String,
}
