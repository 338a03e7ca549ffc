//! How often a client or a handler may ask: one limit for each key, in a memory that does not grow
//! with the number of keys.

use crate::config::{AdmissionConfig, Rate};
use crate::outcome::{Quota, Reason, Refusal};
use governor::RateLimiter;
use governor::clock::{Clock, MonotonicClock};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::ShrinkableKeyedStateStore;
use governor::state::{InMemoryState, NotKeyed, StateStore};
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Parts of a memory, each with a lock of its own, so that I/O threads seldom meet.
const SHARDS: usize = 16;
/// Keys known by themselves in one part: 65,536 in all, a few MiB.
const KEYS_MAX: usize = 4096;
/// Limits in one part for all the keys beyond that, each shared by those that hash to it: 1024 in all. A
/// client that comes too late to be known is limited with a thousandth of the others, not with all.
const SHARED: usize = 64;
/// How often keys that have rested are forgotten.
const SWEEP_PERIOD: Duration = Duration::from_secs(5);

/// The limits that hold for all handlers together.
#[derive(Default)]
pub struct RateLimits {
    client: Option<Limit<IpAddr>>,
}

/// How often all clients of one handler may ask; a single atomic.
#[derive(Debug)]
pub struct HandlerRate {
    rate: Rate,
    limiter: RateLimiter<NotKeyed, InMemoryState, MonotonicClock, NoOpMiddleware<Instant>>,
}

struct Limit<K: Hash + Eq + Copy, C: Clock = MonotonicClock> {
    rate: Rate,
    limiter: RateLimiter<K, Bounded<K>, C, NoOpMiddleware<C::Instant>>,
}

impl RateLimits {
    pub(super) fn new(config: &AdmissionConfig) -> Self {
        Self { client: config.rate_client.map(|rate| Limit::new(rate, MonotonicClock)) }
    }

    /// Counts a request of `client` for the handler with this rate, if it has one.
    ///
    /// # Errors
    /// [`Reason::RateLimited`], with the limit that it exceeds and when it will not.
    pub fn check(&self, client: IpAddr, handler: Option<&HandlerRate>) -> Result<(), Refusal> {
        // The client's first: one that asks too often takes nothing from the handler's other clients.
        if let Some(limit) = &self.client {
            limit.check(network(client))?;
        }
        handler.map_or(Ok(()), HandlerRate::check)
    }

    /// Forgets keys that have rested, from time to time and for as long as it is polled.
    pub async fn sweep(&self) {
        loop {
            tokio::time::sleep(SWEEP_PERIOD).await;
            if let Some(limit) = &self.client {
                limit.limiter.retain_recent();
            }
        }
    }
}

impl HandlerRate {
    /// A limit of its own for one handler.
    pub fn new(rate: Rate) -> Self {
        Self { rate, limiter: RateLimiter::direct_with_clock(quota(rate), MonotonicClock) }
    }

    fn check(&self) -> Result<(), Refusal> {
        let now = || self.limiter.clock().now();
        self.limiter.check().map_err(|until| refusal("handler", self.rate, until.wait_time_from(now())))
    }
}

impl<K: Hash + Eq + Copy, C: Clock> Limit<K, C> {
    fn new(rate: Rate, clock: C) -> Self {
        Self { rate, limiter: RateLimiter::new(quota(rate), Bounded::default(), clock) }
    }

    fn check(&self, key: K) -> Result<(), Refusal> {
        let now = || self.limiter.clock().now();
        self.limiter
            .check_key(&key)
            .map_err(|until| refusal("client", self.rate, until.wait_time_from(now())))
    }
}

fn quota(rate: Rate) -> governor::Quota {
    let interval = rate.period / rate.count.get();
    let quota = governor::Quota::with_period(interval).expect("rates: an interval is a microsecond at least");
    quota.allow_burst(rate.burst)
}

fn refusal(name: &'static str, rate: Rate, wait: Duration) -> Refusal {
    let seconds = u32::try_from(wait.as_secs_f64().ceil() as u64).unwrap_or(u32::MAX).max(1);
    let quota = Quota { name, count: rate.count.get(), window_s: rate.period.as_secs(), reset_s: seconds };
    Refusal { reason: Reason::RateLimited, retry_after_s: Some(seconds), quota: Some(quota) }
}

/// What one client has: an IPv4 address, or the /64 that a site is given at least (RFC 6177).
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address @ IpAddr::V4(_) => address,
    }
}

/// The state of every key, of which only so many are known by themselves.
#[derive(Debug)]
struct Bounded<K> {
    /// Its seed is random: nobody chooses whom to share with.
    hasher: RandomState,
    shards: Vec<Mutex<Shard<K>>>,
}

#[derive(Debug)]
struct Shard<K> {
    known: HashMap<K, Nanos>,
    shared: [Option<Nanos>; SHARED],
}

impl<K> Default for Bounded<K> {
    fn default() -> Self {
        let shard = || Mutex::new(Shard { known: HashMap::new(), shared: [None; SHARED] });
        Self { hasher: RandomState::new(), shards: (0..SHARDS).map(|_| shard()).collect() }
    }
}

impl<K> Bounded<K> {
    fn shard(&self, index: usize) -> MutexGuard<'_, Shard<K>> {
        self.shards[index % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Hash + Eq + Copy> StateStore for Bounded<K> {
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let hash = self.hasher.hash_one(key) as usize;
        let mut shard = self.shard(hash);
        if let Some(state) = shard.known.get_mut(key) {
            let (outcome, next) = measure(Some(*state))?;
            *state = next;
            return Ok(outcome);
        }
        if shard.known.len() < KEYS_MAX {
            let (outcome, next) = measure(None)?;
            shard.known.insert(*key, next);
            return Ok(outcome);
        }
        let state = &mut shard.shared[hash / SHARDS % SHARED];
        let (outcome, next) = measure(*state)?;
        *state = Some(next);
        Ok(outcome)
    }
}

impl<K: Hash + Eq + Copy> ShrinkableKeyedStateStore<K> for Bounded<K> {
    fn retain_recent(&self, drop_below: Nanos) {
        for index in 0..SHARDS {
            let mut shard = self.shard(index);
            shard.known.retain(|_, state| *state > drop_below);
            if shard.known.len() * 4 < shard.known.capacity() {
                shard.known.shrink_to_fit();
            }
        }
    }

    fn len(&self) -> usize {
        (0..SHARDS).map(|index| self.shard(index).known.len()).sum()
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use governor::clock::FakeRelativeClock;
    use std::num::NonZeroU32;

    /// A limit on so many a second, and so many at once, with its clock.
    fn limit(count: u32, burst: u32) -> (Limit<u64, FakeRelativeClock>, FakeRelativeClock) {
        let some = |n| NonZeroU32::new(n).expect("not zero");
        let rate = Rate { count: some(count), period: Duration::from_secs(1), burst: some(burst) };
        let clock = FakeRelativeClock::default();
        (Limit::new(rate, clock.clone()), clock)
    }

    #[test]
    fn a_burst_is_allowed_and_then_the_rate() {
        let (limit, clock) = limit(10, 3);
        for _ in 0..3 {
            assert_eq!(limit.check(1), Ok(()));
        }
        let refused = limit.check(1).expect_err("the fourth at once");
        assert_eq!((refused.reason, refused.retry_after_s), (Reason::RateLimited, Some(1)));
        let quota = refused.quota.expect("a quota");
        assert_eq!((quota.count, quota.window_s, quota.reset_s), (10, 1, 1));
        assert_eq!(limit.check(2), Ok(()), "another key has its own");
        clock.advance(Duration::from_millis(100));
        assert_eq!(limit.check(1), Ok(()));
        assert!(limit.check(1).is_err());
    }

    #[test]
    fn a_handlers_rate_is_its_own() {
        let once = Rate { count: NonZeroU32::MIN, period: Duration::from_secs(3600), burst: NonZeroU32::MIN };
        let (one, other) = (HandlerRate::new(once), HandlerRate::new(once));
        assert_eq!(one.check(), Ok(()));
        let refused = one.check().expect_err("the second in an hour");
        assert_eq!(refused.quota.map(|quota| (quota.name, quota.window_s)), Some(("handler", 3600)));
        assert_eq!(other.check(), Ok(()));
    }

    #[test]
    fn a_flood_of_keys_takes_no_more_memory_and_nobody_is_shut_out() {
        let (limit, clock) = limit(1, 1);
        let all = (SHARDS * KEYS_MAX) as u64;
        let refused = (0..2 * all).filter(|&key| limit.check(key).is_err()).count() as u64;
        let known = limit.limiter.len() as u64;
        println!("{known} keys known of {}, {refused} refused", 2 * all);
        assert!(known <= all && known > all / 10 * 9);
        assert!(refused > all / 2, "those beyond share their limits");
        limit.limiter.retain_recent();
        assert_eq!(limit.limiter.len() as u64, known, "none has rested");
        clock.advance(Duration::from_secs(3));
        let served = (2 * all..4 * all).filter(|&key| limit.check(key).is_ok()).count();
        assert!((SHARDS * SHARED / 10 * 9..=SHARDS * SHARED + 100).contains(&served), "{served}");
        limit.limiter.retain_recent();
        assert!(limit.limiter.len() < 100, "those that have rested are forgotten");
        assert_eq!(limit.check(5 * all), Ok(()));
    }

    #[test]
    fn a_site_is_one_client_whatever_address_it_picks() {
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        for (one, other, same) in [
            ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", true),
            ("2001:db8:1:2::1", "2001:db8:1:3::1", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
        ] {
            assert_eq!(network(address(one)) == network(address(other)), same, "{one} {other}");
        }
    }
}
