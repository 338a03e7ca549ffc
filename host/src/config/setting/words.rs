//! Reads values in which a word can stand for a number, and the few that are words only.

use std::num::NonZeroU32;
use std::path::PathBuf;

use rustix::process::{Resource, getrlimit};

use crate::config::mistake::Refusal;
use crate::config::units::count;
use crate::config::{CacheConfig, HogPriority, LogFormat};

/// A pool reserves address space for every instance: at 100000 and 128 MiB it is 12 TiB of the 128
/// that a process has.
pub(super) const INSTANCES_MAX: NonZeroU32 = NonZeroU32::new(100_000).expect("not zero");
/// More threads than any machine has cores.
pub(super) const THREADS_MAX: NonZeroU32 = NonZeroU32::new(1024).expect("not zero");
/// Each connection costs a file descriptor and some KiB in the kernel.
pub(super) const CONNECTIONS_MAX: u32 = 100_000;

pub(super) fn threads(text: &str) -> Result<NonZeroU32, Refusal> {
    if text != "cores" {
        return count(text, NonZeroU32::MIN..=THREADS_MAX).map_err(|refusal| refusal.or_word("cores"));
    }
    // A machine that hides its cores has at least the one that runs this.
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    Ok(u32::try_from(cores)
        .ok()
        .and_then(NonZeroU32::new)
        .map_or(THREADS_MAX, |cores| cores.min(THREADS_MAX)))
}

pub(super) fn connections(text: &str) -> Result<u32, Refusal> {
    if text != "auto" {
        return count(text, 1..=CONNECTIONS_MAX).map_err(|refusal| refusal.or_word("auto"));
    }
    // The other half is for the sockets of handlers, files and the host itself.
    let half = getrlimit(Resource::Nofile).current.map_or(u64::MAX, |limit| limit / 2);
    Ok(u32::try_from(half).unwrap_or(CONNECTIONS_MAX).clamp(1, CONNECTIONS_MAX))
}

pub(super) fn concurrency(text: &str, instances: NonZeroU32) -> Result<NonZeroU32, Refusal> {
    match text {
        "instances" => Ok(instances),
        _ => count(text, NonZeroU32::MIN..=INSTANCES_MAX).map_err(|refusal| refusal.or_word("instances")),
    }
}

pub(super) fn streams(text: &str, instances: NonZeroU32) -> Result<u32, Refusal> {
    match text {
        "instances" => Ok(instances.get()),
        _ => count(text, 0..=INSTANCES_MAX.get()).map_err(|refusal| refusal.or_word("instances")),
    }
}

pub(super) fn fuel(text: &str) -> Result<Option<u64>, Refusal> {
    match text {
        "off" => Ok(None),
        _ => count(text, 1..=u64::MAX).map(Some).map_err(|refusal| refusal.or_word("off")),
    }
}

pub(super) fn hog_priority(text: &str) -> Result<HogPriority, Refusal> {
    match text {
        "idle" => Ok(HogPriority::Idle),
        _ => count(text, 0..=19).map(HogPriority::Nice).map_err(|refusal| refusal.or_word("idle")),
    }
}

pub(super) fn switch(text: &str) -> Result<bool, Refusal> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(Refusal::expected("`on` or `off`")),
    }
}

pub(super) fn cache(text: &str) -> Result<CacheConfig, Refusal> {
    match text {
        "off" => Ok(CacheConfig::Off),
        "user" => Ok(CacheConfig::Default),
        _ if text.is_empty() || text.contains('\0') => Err(Refusal::expected("a directory, `user` or `off`")),
        _ => Ok(CacheConfig::Directory(PathBuf::from(text))),
    }
}

pub(super) fn file(text: &str) -> Result<Option<PathBuf>, Refusal> {
    match text {
        "off" => Ok(None),
        _ if text.is_empty() || text.contains('\0') => Err(Refusal::expected("a file, or `off`")),
        _ => Ok(Some(PathBuf::from(text))),
    }
}

pub(super) fn log_format(text: &str) -> Result<LogFormat, Refusal> {
    match text {
        "human" => Ok(LogFormat::Human),
        "json" => Ok(LogFormat::Json),
        _ => Err(Refusal::expected("`human` or `json`")),
    }
}

pub(super) fn variable(text: &str, known: &[(String, String)]) -> Result<(String, String), Refusal> {
    match text.split_once('=') {
        Some((name, _)) if known.iter().any(|(known, _)| known == name) => {
            Err(Refusal::expected(format!("`{}` only once", name.escape_debug())))
        }
        Some((name, value)) if !name.is_empty() && !text.contains('\0') => Ok((name.into(), value.into())),
        Some(_) | None => Err(Refusal::expected("NAME=VALUE with a name and without NUL")),
    }
}
