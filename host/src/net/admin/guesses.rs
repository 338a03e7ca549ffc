//! Bounds how often the admin token can be guessed, and the memory that remembering it takes.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Wrong tokens from one network within [`WINDOW`].
const FAILURES_MAX: u32 = 10;
const WINDOW: Duration = Duration::from_secs(60);
/// Networks that are remembered; those past it share one count.
const NETWORKS_MAX: usize = 1024;
/// What they share it under: no client has this address.
const OTHERS: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// The wrong tokens of the last minute. Its lock is taken on I/O threads only, for a look.
#[derive(Debug, Default)]
pub(super) struct Guesses(Mutex<HashMap<IpAddr, Failures>>);

#[derive(Clone, Copy, Debug)]
struct Failures {
    began: Instant,
    count: u32,
}

impl Failures {
    fn recent(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.began) < WINDOW
    }
}

impl Guesses {
    /// Whether nothing from this client is looked at: not the right token either, or a guess would be
    /// told by its answer.
    pub(super) fn blocked(&self, client: IpAddr, now: Instant) -> bool {
        let networks = self.lock();
        let network = network(client);
        let failures = match networks.get(&network) {
            None if networks.len() >= NETWORKS_MAX => networks.get(&OTHERS),
            found => found,
        };
        failures.is_some_and(|failures| failures.recent(now) && failures.count >= FAILURES_MAX)
    }

    /// Counts a wrong token.
    pub(super) fn failed(&self, client: IpAddr, now: Instant) {
        let mut networks = self.lock();
        let mut network = network(client);
        if networks.len() >= NETWORKS_MAX && !networks.contains_key(&network) {
            networks.retain(|_, failures| failures.recent(now));
            if networks.len() >= NETWORKS_MAX {
                network = OTHERS;
            }
        }
        let failures = networks.entry(network).or_insert(Failures { began: now, count: 0 });
        if !failures.recent(now) {
            *failures = Failures { began: now, count: 0 };
        }
        failures.count = failures.count.saturating_add(1);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Failures>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whose addresses a client can choose among: all of a /64, with IPv6.
fn network(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::Ipv4Addr;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn the_eleventh_guess_of_a_minute_is_not_looked_at() {
        let (guesses, began) = (Guesses::default(), Instant::now());
        let client = address("192.0.2.1");
        for _ in 0..10 {
            assert!(!guesses.blocked(client, began));
            guesses.failed(client, began);
        }
        assert!(guesses.blocked(client, began));
        assert!(guesses.blocked(address("::ffff:192.0.2.1"), began), "the same, as IPv6 writes it");
        assert!(!guesses.blocked(address("192.0.2.2"), began));
        assert!(guesses.blocked(client, began + WINDOW - Duration::from_millis(1)));
        assert!(!guesses.blocked(client, began + WINDOW));
        guesses.failed(client, began + WINDOW);
        assert!(!guesses.blocked(client, began + WINDOW), "a new minute counts from one");
    }

    #[test]
    fn addresses_of_one_network_are_one_client() {
        let (guesses, now) = (Guesses::default(), Instant::now());
        for host in 0..10 {
            guesses.failed(address(&format!("2001:db8::{host}")), now);
        }
        assert!(guesses.blocked(address("2001:db8::ffff"), now));
        assert!(!guesses.blocked(address("2001:db8:0:1::"), now));
    }

    #[test]
    fn more_networks_than_are_remembered_share_one_count() {
        let (guesses, now) = (Guesses::default(), Instant::now());
        let nth = |n: usize| IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(n).expect("few") + 1));
        for n in 0..NETWORKS_MAX + 10 {
            guesses.failed(nth(n), now);
        }
        assert_eq!(guesses.lock().len(), NETWORKS_MAX + 1);
        assert!(guesses.blocked(nth(NETWORKS_MAX + 99), now));
        assert!(!guesses.blocked(nth(0), now), "who is remembered has a count of its own");
        guesses.failed(nth(NETWORKS_MAX + 99), now + WINDOW);
        assert_eq!(guesses.lock().len(), 1, "what is old makes room");
    }

    proptest! {
        #[test]
        fn memory_is_bounded_whatever_comes(clients: Vec<(u128, u32)>) {
            let (guesses, now) = (Guesses::default(), Instant::now());
            for (bits, ms) in clients {
                let client = IpAddr::V6(Ipv6Addr::from_bits(bits));
                guesses.failed(client, now + Duration::from_millis(ms.into()));
                prop_assert!(guesses.lock().len() <= NETWORKS_MAX + 1);
            }
        }
    }
}
