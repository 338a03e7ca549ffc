//! Reads values in which a word can stand for a number, and the few that are words only.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::{Resource, getrlimit};

use crate::config::mistake::Refusal;
use crate::config::units::{count, percent};
use crate::config::{
    CacheConfig, CodeProfile, ForwardedBy, HogPriority, Limits, LogFormat, Rate, StateConfig,
};
use crate::memory::Memory;

/// A pool reserves address space for every instance: at 100000 and 128 MiB it is 12 TiB of the 128
/// that a process has.
pub(super) const INSTANCES_MAX: NonZeroU32 = NonZeroU32::new(100_000).expect("not zero");
/// More threads than any machine has cores.
pub(super) const THREADS_MAX: NonZeroU32 = NonZeroU32::new(1024).expect("not zero");
/// Requests that one instance serves: what it leaks is bounded by that.
const REUSE_MAX: NonZeroU32 = NonZeroU32::new(1_000_000).expect("not zero");
/// More requests in a period than any host serves.
const RATE_MAX: NonZeroU32 = NonZeroU32::new(1_000_000).expect("not zero");
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

/// As many as fit into three quarters of the memory if each, and a stream beside it, takes all it may:
/// the last quarter is for the host, its buffers and its neighbours.
pub(super) fn instances(text: &str, limits: &Limits) -> Result<NonZeroU32, Refusal> {
    if text != "auto" {
        return count(text, NonZeroU32::MIN..=INSTANCES_MAX).map_err(|refusal| refusal.or_word("auto"));
    }
    let Some(there_is) = Memory::here().limit_bytes() else {
        return Err(Refusal::expected("a number, since this system does not tell how much memory there is"));
    };
    Ok(instances_in(there_is, limits.sandbox_bytes_max()))
}

fn instances_in(memory_bytes: u64, sandbox_bytes_max: u64) -> NonZeroU32 {
    let fit = memory_bytes / 4 * 3 / sandbox_bytes_max.saturating_mul(2).max(1);
    let fit = u32::try_from(fit).unwrap_or(u32::MAX).min(INSTANCES_MAX.get());
    // One is always allowed: the pressure on the memory bounds what it takes.
    NonZeroU32::new(fit).unwrap_or(NonZeroU32::MIN)
}

pub(super) fn pressure(text: &str) -> Result<Option<u32>, Refusal> {
    match text {
        "off" => Ok(None),
        _ => percent(text, 1..=100).map(Some).map_err(|refusal| refusal.or_word("off")),
    }
}

pub(super) fn rate_limit(text: &str) -> Result<Option<Rate>, Refusal> {
    if text == "off" {
        return Ok(None);
    }
    rate(text).map(Some).ok_or_else(|| {
        let refusal = Refusal::expected(format!(
            "a number from 1 to {RATE_MAX} in a time, such as `100/s`, `100/m` or `100/s:200`, or `off`"
        ));
        match count(text, NonZeroU32::MIN..=RATE_MAX) {
            Ok(per_second) => refusal.or_rather(format!("{per_second}/s")),
            Err(_) => refusal,
        }
    })
}

/// `COUNT/UNIT[:BURST]`; as many at once as in a period where it does not say.
fn rate(text: &str) -> Option<Rate> {
    let (per_period, burst) = text.split_once(':').map_or((text, None), |(rate, burst)| (rate, Some(burst)));
    let (number, unit) = per_period.split_once('/')?;
    let period_s = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return None,
    };
    let number = count(number, NonZeroU32::MIN..=RATE_MAX).ok()?;
    let burst = burst.map_or(Some(number), |burst| count(burst, NonZeroU32::MIN..=RATE_MAX).ok())?;
    Some(Rate { count: number, period: Duration::from_secs(period_s), burst })
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

pub(super) fn reuse(text: &str) -> Result<NonZeroU32, Refusal> {
    match text {
        "off" => Ok(NonZeroU32::MIN),
        _ => count(text, NonZeroU32::MIN..=REUSE_MAX).map_err(|refusal| refusal.or_word("off")),
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

pub(super) fn code_profile(text: &str) -> Result<CodeProfile, Refusal> {
    match text {
        "auto" => Ok(CodeProfile::Auto),
        "latency" => Ok(CodeProfile::Latency),
        "compute" => Ok(CodeProfile::Compute),
        _ => Err(Refusal::expected("`auto`, `latency` or `compute`")),
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

pub(super) fn state(text: &str) -> Result<StateConfig, Refusal> {
    match text {
        "off" => Ok(StateConfig::Off),
        "user" => Ok(StateConfig::User),
        _ if text.is_empty() || text.contains('\0') => Err(Refusal::expected("a directory, `user` or `off`")),
        _ => Ok(StateConfig::Directory(PathBuf::from(text))),
    }
}

pub(super) fn file(text: &str) -> Result<Option<PathBuf>, Refusal> {
    match text {
        "off" => Ok(None),
        _ if text.is_empty() || text.contains('\0') => Err(Refusal::expected("a file, or `off`")),
        _ => Ok(Some(PathBuf::from(text))),
    }
}

pub(super) fn forwarded_by(text: &str) -> Result<ForwardedBy, Refusal> {
    match text {
        "x-forwarded" => Ok(ForwardedBy::XForwarded),
        "forwarded" => Ok(ForwardedBy::Forwarded),
        _ => Err(Refusal::expected("`x-forwarded` or `forwarded`")),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_have_a_unit_and_may_have_a_burst() {
        let some = |n| NonZeroU32::new(n).expect("not zero");
        for (text, count, period_s, burst) in
            [("100/s", 100, 1, 100), ("1/m", 1, 60, 1), ("10/h:5", 10, 3600, 5), ("100/s:200", 100, 1, 200)]
        {
            let expected =
                Rate { count: some(count), period: Duration::from_secs(period_s), burst: some(burst) };
            assert_eq!(rate_limit(text), Ok(Some(expected)), "{text}");
        }
        assert_eq!(rate_limit("off"), Ok(None));
        assert_eq!(rate_limit("100").unwrap_err().example.as_deref(), Some("100/s"));
        for text in ["", "/s", "1/", "1/d", "1/s:", "1/s:0", "0/s", "1:2", "1/s:2:3", "-1/s"] {
            assert!(rate_limit(text).is_err(), "{text}");
        }
    }

    #[test]
    fn instances_fit_into_the_memory_with_a_stream_beside_each() {
        const MIB: u64 = 1 << 20;
        for (memory_mib, sandbox_mib, expected) in [
            (8192, 128, 24),
            (512, 128, 1),
            (1024, 128, 3),
            (1, 128, 1),
            (0, 0, 1),
            (u64::MAX / MIB, 1, 100_000),
        ] {
            let fit = instances_in(memory_mib * MIB, sandbox_mib * MIB);
            assert_eq!(fit.get(), expected, "{memory_mib} MiB for {sandbox_mib} MiB each");
        }
    }
}
