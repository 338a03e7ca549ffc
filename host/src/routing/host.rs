//! Hosts that a route is for: one name, all names below one, or any. Compared without case, port and
//! the dot of the root.

use super::RouteError;
use std::fmt::{self, Write as _};
use std::net::Ipv6Addr;

/// Bytes of the longest name that DNS knows.
const NAME_BYTES_MAX: usize = 253;

/// The hosts that a route is for.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum HostPattern {
    /// This one: a name in lower case, or an address as URLs write it.
    Exactly(String),
    /// All names below this one, at any depth, but not itself (`*.example`).
    Below(String),
    /// Every host.
    Any,
}

impl HostPattern {
    /// Reads `name`, `*.name` or an address.
    pub(super) fn parse(text: &str) -> Result<Self, RouteError> {
        let refuse = || RouteError::Host(text.to_owned());
        let (below, name) = match text.strip_prefix("*.") {
            Some(name) => (true, name),
            None => (false, text),
        };
        let mut room = HostName::default();
        let name = room.read(name).filter(|name| below || !name.is_empty()).ok_or_else(refuse)?;
        if is_address(name) {
            return if below { Err(refuse()) } else { Ok(Self::Exactly(name.to_owned())) };
        }
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        match name.split('.').all(label) {
            true if below => Ok(Self::Below(name.to_owned())),
            true => Ok(Self::Exactly(name.to_owned())),
            false => Err(refuse()),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(name) => f.write_str(name),
            Self::Below(name) => write!(f, "*.{name}"),
            Self::Any => Ok(()),
        }
    }
}

fn is_address(name: &str) -> bool {
    name.starts_with('[') && name.ends_with(']') || name.parse::<std::net::Ipv4Addr>().is_ok()
}

/// Room for the one spelling of a host's name; on the stack, since every request has one.
pub(super) struct HostName {
    bytes: [u8; NAME_BYTES_MAX + 1],
    length: usize,
}

impl Default for HostName {
    fn default() -> Self {
        Self { bytes: [0; NAME_BYTES_MAX + 1], length: 0 }
    }
}

impl HostName {
    /// The one spelling of a host without its port: lower case, no dot at the end, IPv6 addresses in
    /// their shortest form. None of what no pattern can name.
    pub(super) fn read(&mut self, host: &str) -> Option<&str> {
        self.length = 0;
        match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(address) => write!(self, "[{}]", address.parse::<Ipv6Addr>().ok()?).ok()?,
            None => self.write_str(host.strip_suffix('.').unwrap_or(host)).ok()?,
        }
        let spelled = &mut self.bytes[..self.length];
        spelled.make_ascii_lowercase();
        std::str::from_utf8(spelled).ok()
    }
}

impl fmt::Write for HostName {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_have_one_spelling() {
        for (text, expected) in [
            ("a.example", Some("a.example")),
            ("A.Example.", Some("a.example")),
            ("*.Example", Some("*.example")),
            ("127.0.0.1", Some("127.0.0.1")),
            ("[0:0::1]", Some("[::1]")),
            ("a_b-c.example", Some("a_b-c.example")),
            ("*", None),
            ("*.", None),
            ("*.127.0.0.1", None),
            ("a.*.example", None),
            ("a..example", None),
            ("a.example:80", None),
            ("ä.example", None),
            ("[::1", None),
            ("", None),
        ] {
            let found = HostPattern::parse(text).ok().map(|host| host.to_string());
            assert_eq!(found.as_deref(), expected, "{text}");
        }
        let label = "a".repeat(63);
        let longest = format!("{label}.{label}.{label}.{}", "a".repeat(61));
        assert!(HostPattern::parse(&longest).is_ok());
        assert!(HostPattern::parse(&format!("{longest}aa")).is_err());
    }
}
