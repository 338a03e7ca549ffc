//! How much memory one instance holds: one sum over all its linear memories and tables. wasmtime's
//! own `StoreLimits` bounds each memory by itself, which many memories together walk past.

use crate::telemetry::Exchange;
use std::sync::Arc;
use wasmtime::ResourceLimiter;

/// Core instances, memories and tables that one component may have.
const INSTANCES_MAX: usize = 256;

/// Counts an instance's memory and refuses what goes past the limit.
#[derive(Debug)]
pub(super) struct Limiter {
    bytes: usize,
    bytes_max: usize,
    refused: bool,
    /// Where others read how much it is.
    exchange: Arc<Exchange>,
}

impl Limiter {
    pub(super) fn new(bytes_max: u64, exchange: Arc<Exchange>) -> Self {
        let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
        Self { bytes: 0, bytes_max, refused: false, exchange }
    }

    /// From now on this one's record says how much it is.
    pub(super) fn follow(&mut self, exchange: &Arc<Exchange>) {
        self.exchange = exchange.clone();
        self.exchange.memory(self.bytes());
    }

    /// Bytes held now.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes as u64
    }

    /// Whether a growth was refused: a trap after this is most likely the guest giving up.
    pub(super) fn refused(&self) -> bool {
        self.refused
    }

    /// Books the growth of one memory or table. `maximum` is what the memory itself allows: past it
    /// wasmtime refuses by itself, and nothing is held.
    fn grow(&mut self, current: usize, desired: usize, unit: usize, maximum: Option<usize>) -> bool {
        let more = desired.saturating_sub(current).saturating_mul(unit);
        let total = self.bytes.saturating_add(more);
        if total > self.bytes_max {
            self.refused = true;
            return false;
        }
        if maximum.is_none_or(|maximum| desired <= maximum) {
            self.bytes = total;
            self.exchange.memory(self.bytes());
        }
        true
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(self.grow(current, desired, 1, maximum))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(self.grow(current, desired, size_of::<usize>(), maximum))
    }

    fn instances(&self) -> usize {
        INSTANCES_MAX
    }

    fn tables(&self) -> usize {
        INSTANCES_MAX
    }

    fn memories(&self) -> usize {
        INSTANCES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn memories_and_tables_share_one_limit() {
        let exchange = Exchange::sample();
        let mut limiter = Limiter::new(100, exchange.clone());
        assert!(limiter.memory_growing(0, 60, None).expect("never fails"));
        assert!(limiter.table_growing(0, 5, None).expect("never fails"));
        assert!(!limiter.refused());
        assert!(!limiter.memory_growing(0, 1, None).expect("never fails"));
        assert!(limiter.refused());
        assert_eq!(exchange.memory_peak_bytes(), 100);
    }

    #[test]
    fn growth_past_a_memorys_own_maximum_is_not_counted() {
        let mut limiter = Limiter::new(100, Exchange::sample());
        assert!(limiter.memory_growing(0, 50, Some(40)).expect("never fails"));
        assert_eq!((limiter.bytes, limiter.refused()), (0, false));
    }

    proptest! {
        #[test]
        fn the_sum_never_passes_the_limit(max in 0u64..1 << 40, steps: Vec<(usize, usize, bool)>) {
            let exchange = Exchange::sample();
            let mut limiter = Limiter::new(max, exchange.clone());
            for (current, desired, table) in steps {
                let unit = if table { size_of::<usize>() } else { 1 };
                limiter.grow(current, desired, unit, None);
                prop_assert!(exchange.memory_peak_bytes() <= max);
            }
        }
    }
}
