//! The settings of instances that outlive a request: how often one is used again, how long it waits for
//! that, and how many are made before anybody asks.

use std::num::NonZeroU32;
use std::time::Duration;

/// How long an instance lives beyond the request that it was made for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Reuse {
    /// Requests that one instance serves; 1 gives every request a fresh one.
    pub requests_max: NonZeroU32,
    /// Requests that one instance of WASI 0.3 serves at once.
    pub concurrency: NonZeroU32,
    /// How long an instance waits for its next request.
    pub idle_max: Duration,
    /// Bytes of memory above which an instance is not used again.
    pub memory_bytes_max: u64,
    /// Instances made ahead, which have not served anybody yet.
    pub warm: u32,
    /// How old an instance made ahead may become.
    pub warm_age_max: Duration,
}

impl Reuse {
    /// Before any setting is stored.
    pub(super) const BLANK: Self = Self {
        requests_max: NonZeroU32::MIN,
        concurrency: NonZeroU32::MIN,
        idle_max: Duration::ZERO,
        memory_bytes_max: 0,
        warm: 0,
        warm_age_max: Duration::ZERO,
    };

    /// Why these settings cannot be had together with `fuel`, and what to do about it.
    pub(super) fn contradiction(&self, fuel: Option<u64>) -> Option<(&'static str, &'static str)> {
        if self.concurrency.get() == 1 {
            None
        } else if self.requests_max.get() == 1 {
            Some(("`reuse-concurrency` is set, but `reuse` is not", "set `reuse`, too, or leave it out"))
        } else if fuel.is_some() {
            let what =
                "`fuel` is counted for an instance, and with `reuse-concurrency` it serves several requests";
            Some((what, "set `reuse-concurrency` to 1, or bound requests by `cpu-time` in place of `fuel`"))
        } else {
            None
        }
    }

    /// Whether an instance may ever wait for a request.
    pub fn keeps_instances(&self) -> bool {
        self.requests_max.get() > 1 || self.warm > 0
    }
}
