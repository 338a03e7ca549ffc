//! Which addresses a registry may send this host to: others than its own only where anyone may go, or where
//! the registry itself is. So nobody on the internet can have this host ask the machines behind it
//! (server-side request forgery). Names are checked where they are resolved, and what was checked is what is
//! connected to, so a name that changes its address gains nothing.

use super::error::Forbidden;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// Who can be reached at an address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Reach {
    /// Anyone.
    Public,
    /// The machines of a network of one's own.
    Private,
    /// This machine.
    Loopback,
    /// Neighbours on the wire, and the services that clouds put there; or nobody at all.
    Never,
}

/// Resolves names for one registry.
#[derive(Debug)]
pub(super) struct Guard {
    /// The registry's host, and its port.
    registry: (String, u16),
    /// What the registry turned out to be; over time only more public.
    reach: Mutex<Option<Reach>>,
    system: DefaultResolver,
}

impl Guard {
    pub(super) fn new(host: &str, port: u16) -> Self {
        let registry = (host.to_owned(), port);
        Self { registry, reach: Mutex::new(None), system: DefaultResolver::default() }
    }

    fn check(&self, uri: &Uri, found: &[IpAddr]) -> Result<(), Forbidden> {
        let host = uri.host().unwrap_or_default();
        let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("http") { 80 } else { 443 });
        let mut reach = self.reach.lock().unwrap_or_else(PoisonError::into_inner);
        if (host, port) == (self.registry.0.as_str(), self.registry.1) {
            // It was named by whoever runs this host, so it may be anywhere. Resolved again it may turn out more
            // public than before, never less: whoever answers for its name gains nothing by another answer.
            let now = found.iter().map(|address| Reach::of(*address));
            *reach = reach.iter().copied().chain(now).reduce(Reach::both);
            return Ok(());
        }
        let from = reach.unwrap_or(Reach::Public);
        match found.iter().find(|address| !from.may_lead_to(Reach::of(**address))) {
            None => Ok(()),
            Some(address) => {
                let what = Reach::of(*address).told();
                Err(Forbidden { host: host.to_owned(), address: *address, what })
            }
        }
    }
}

impl Resolver for Guard {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = self.system.resolve(uri, config, timeout)?;
        let addresses: Vec<IpAddr> = found.iter().map(|address| address.ip()).collect();
        self.check(uri, &addresses).map_err(|forbidden| ureq::Error::Other(Box::new(forbidden)))?;
        Ok(found)
    }
}

impl Reach {
    fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::of_v4(address),
            IpAddr::V6(address) => match embedded(address) {
                Some(address) => Self::of_v4(address),
                None => Self::of_v6(address),
            },
        }
    }

    /// <https://www.iana.org/assignments/iana-ipv4-special-registry>
    fn of_v4(address: Ipv4Addr) -> Self {
        match address.octets() {
            // Whoever connects to 0.0.0.0 gets this machine.
            [127, ..] | [0, ..] => Self::Loopback,
            [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] | [198, 18..=19, ..] => {
                Self::Private
            }
            [169, 254, ..] | [192, 0, 0, _] | [224..=255, ..] => Self::Never,
            _ => Self::Public,
        }
    }

    /// <https://www.iana.org/assignments/iana-ipv6-special-registry>
    fn of_v6(address: Ipv6Addr) -> Self {
        match address.segments()[0] {
            _ if address.is_loopback() || address.is_unspecified() => Self::Loopback,
            0xfc00..=0xfdff | 0xfec0..=0xfeff => Self::Private,
            // Only 2000::/3 is given out; the rest is links, groups and nobody.
            0x2000..=0x3fff => Self::Public,
            _ => Self::Never,
        }
    }

    /// What is reached at both: of a name with several addresses the most public one counts.
    fn both(self, other: Self) -> Self {
        if self == other { self } else { Self::Public }
    }

    fn may_lead_to(self, other: Self) -> bool {
        match other {
            Self::Public => true,
            Self::Private | Self::Loopback => self == other,
            Self::Never => false,
        }
    }

    fn told(self) -> &'static str {
        match self {
            Self::Public => "is a public address",
            Self::Private => "is an address of a private network, and the registry is not in one",
            Self::Loopback => "is this machine, and the registry is elsewhere",
            Self::Never => "is an address that no registry may send to",
        }
    }
}

/// The IPv4 address that this one stands for: mapped (RFC 4291), translated (RFC 6052) or tunnelled (RFC 3056).
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(v4(high, low)),
        [0x2002, high, low, ..] => Some(v4(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn led(registry: &str, to: &str) -> Result<(), Forbidden> {
        let guard = Guard::new("registry.example", 443);
        let own: Uri = "https://registry.example/v2/".parse().unwrap();
        guard.check(&own, &[registry.parse().unwrap()]).unwrap();
        guard.check(&"https://blobs.example/x".parse().unwrap(), &[to.parse().unwrap()])
    }

    #[test]
    fn registry_leads_to_the_public_and_to_its_own_kind_only() {
        const PUBLIC: &str = "93.184.216.34";
        for (registry, to, allowed) in [
            (PUBLIC, "1.1.1.1", true),
            (PUBLIC, "2606:4700::1111", true),
            (PUBLIC, "10.0.0.1", false),
            (PUBLIC, "172.31.255.255", false),
            (PUBLIC, "172.32.0.0", true),
            (PUBLIC, "192.168.0.1", false),
            (PUBLIC, "100.64.0.1", false),
            (PUBLIC, "127.0.0.1", false),
            (PUBLIC, "0.0.0.0", false),
            (PUBLIC, "169.254.169.254", false),
            (PUBLIC, "255.255.255.255", false),
            (PUBLIC, "::1", false),
            (PUBLIC, "::", false),
            (PUBLIC, "fe80::1", false),
            (PUBLIC, "fd00:ec2::254", false),
            (PUBLIC, "::ffff:10.0.0.1", false),
            (PUBLIC, "64:ff9b::7f00:1", false),
            (PUBLIC, "2002:a00:1::", false),
            ("10.0.0.1", "10.9.9.9", true),
            ("10.0.0.1", "fd00::1", true),
            ("10.0.0.1", "127.0.0.1", false),
            ("10.0.0.1", "169.254.169.254", false),
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1", "::1", true),
            ("127.0.0.1", "10.0.0.1", false),
            ("169.254.1.1", "169.254.169.254", false),
        ] {
            assert_eq!(led(registry, to).is_ok(), allowed, "from {registry} to {to}");
        }
    }

    #[test]
    fn one_forbidden_address_of_a_name_is_enough() {
        let guard = Guard::new("registry.example", 443);
        let uri = "https://blobs.example/x".parse().unwrap();
        let addresses = ["1.1.1.1", "10.0.0.1"].map(|address| address.parse().unwrap());
        let error = guard.check(&uri, &addresses).unwrap_err().to_string();
        assert!(error.contains("blobs.example is 10.0.0.1"), "{error}");
    }

    #[test]
    fn registry_that_is_public_and_private_counts_as_public() {
        let guard = Guard::new("registry.example", 443);
        let own = "https://registry.example/".parse().unwrap();
        guard.check(&own, &["10.0.0.1", "1.1.1.1"].map(|address| address.parse().unwrap())).unwrap();
        // Nor does it become private by another answer to its name.
        guard.check(&own, &["10.0.0.1".parse().unwrap()]).unwrap();
        let blobs = "https://blobs.example/".parse().unwrap();
        assert!(guard.check(&blobs, &["10.0.0.2".parse().unwrap()]).is_err());
        // Another port of it is another service.
        let other = "https://registry.example:22/".parse().unwrap();
        assert!(guard.check(&other, &["10.0.0.1".parse().unwrap()]).is_err());
    }
}
