//! The settings of deployments: where they are kept, how large they may be, and when one that is tried
//! is given up.

use std::path::PathBuf;
use std::time::Duration;

/// Where deployments are kept, how large they may be, and when one that is tried is given up.
#[derive(Clone, Debug)]
pub struct DeployConfig {
    /// Where they are kept.
    pub state: StateConfig,
    /// Versions of one handler that can be had back.
    pub versions_kept: u32,
    /// Bytes of a component that is deployed.
    pub component_bytes_max: u64,
    /// How long a component may take to arrive.
    pub upload_timeout: Duration,
    /// When a canary is given up.
    pub canary: CanaryConfig,
}

/// When a canary is given up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CanaryConfig {
    /// How far back its requests are looked at.
    pub window: Duration,
    /// What part of them may fail, in percent.
    pub failures_percent_max: u32,
    /// How many there have to be.
    pub requests_min: u32,
}

/// Where deployments are kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum StateConfig {
    /// Nowhere: nothing is deployed.
    Off,
    /// The user's state directory (`$XDG_STATE_HOME/wasm-host`, else `~/.local/state/wasm-host`), unless
    /// another host has it.
    User,
    /// This directory.
    Directory(PathBuf),
}

impl StateConfig {
    /// The user's own directory, if the environment tells where it is.
    pub fn user_directory() -> Option<PathBuf> {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let base = set("XDG_STATE_HOME").or_else(|| Some(set("HOME")?.join(".local/state")))?;
        Some(base.join("wasm-host"))
    }
}

impl DeployConfig {
    /// Before any setting is stored.
    pub(super) fn blank() -> Self {
        Self {
            state: StateConfig::Off,
            versions_kept: 0,
            component_bytes_max: 0,
            upload_timeout: Duration::ZERO,
            canary: CanaryConfig { window: Duration::ZERO, failures_percent_max: 0, requests_min: 0 },
        }
    }
}
