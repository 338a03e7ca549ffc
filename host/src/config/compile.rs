//! The settings of compiling: what it may take, and where its results are kept.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

/// What compiling may take, and where its results are kept.
#[derive(Clone, Debug)]
pub struct CompileConfig {
    /// Where compiled code is kept between starts.
    pub cache: CacheConfig,
    /// Bytes of it; what was not used for longest goes.
    pub cache_bytes_max: u64,
    /// Bytes of address space that one compilation may have.
    pub memory_bytes_max: u64,
    /// CPU time of one compilation.
    pub cpu_time: Duration,
    /// Compilations at once.
    pub jobs: NonZeroU32,
}

/// What a handler's code is compiled for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CodeProfile {
    /// Many short requests at first, and computing once the handler turns out to do that.
    Auto,
    /// Many short requests: an instance costs next to nothing to make, and each access to memory is checked.
    Latency,
    /// Computing: the processor checks accesses to memory, for which an instance costs more to make.
    Compute,
}

/// Where compiled code is kept between starts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum CacheConfig {
    /// Nowhere: every start compiles.
    Off,
    /// The user's cache directory (`$XDG_CACHE_HOME/wasm-host`, else `~/.cache/wasm-host`).
    Default,
    /// This directory.
    Directory(PathBuf),
}

impl CacheConfig {
    /// The user's own directory, if the environment tells where it is.
    pub fn user_directory() -> Option<PathBuf> {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let base = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")))?;
        Some(base.join("wasm-host"))
    }
}

impl CompileConfig {
    /// Before any setting is stored.
    pub(super) fn blank() -> Self {
        Self {
            cache: CacheConfig::Off,
            cache_bytes_max: 0,
            memory_bytes_max: 0,
            cpu_time: Duration::ZERO,
            jobs: NonZeroU32::MIN,
        }
    }
}
