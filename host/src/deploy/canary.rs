//! A canary: a version that is tried with a share of the requests, and with those of testers.

mod judge;

use super::version::VersionId;
use http::header::{COOKIE, HeaderName};
use http::{HeaderMap, HeaderValue};
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

pub use judge::{Judge, Seen, Verdict};

/// Bytes of a tester's mark, name and value together.
const TESTER_BYTES_MAX: usize = 200;
/// Consecutive multiples of it spread evenly over the numbers of 64 bits: 2⁶⁴ divided by the golden ratio.
const GOLDEN_STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// A version that is tried.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Canary {
    /// Which.
    pub version: VersionId,
    /// What part of the requests it gets.
    pub share: Share,
    /// Whose requests it gets in any case.
    pub tester: Option<Tester>,
}

/// A part of the requests in whole percent.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Share(u8);

impl Share {
    /// This many percent, 100 at most.
    pub fn percent(percent: u8) -> Option<Self> {
        (percent <= 100).then_some(Self(percent))
    }

    /// In percent.
    pub fn as_percent(self) -> u8 {
        self.0
    }

    /// Whether the request of this number is among the share: of any hundred that follow each other,
    /// as many as there are percent, give or take two, and never in a row where that can be.
    fn takes(self, number: u64) -> bool {
        let place = number.wrapping_mul(GOLDEN_STEP) >> 32;
        place * 100 < u64::from(self.0) << 32
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let percent = u8::deserialize(deserializer)?;
        Self::percent(percent).ok_or_else(|| serde::de::Error::custom("expected 100 percent at most"))
    }
}

/// What a tester's request carries.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Tester {
    /// This header field, with this value if there is one.
    Header(HeaderName, Option<HeaderValue>),
    /// This cookie with this value.
    Cookie(String, String),
}

/// A tester's mark is neither `header NAME[=VALUE]` nor `cookie NAME=VALUE`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "expected `header NAME`, `header NAME=VALUE` or `cookie NAME=VALUE`, of {TESTER_BYTES_MAX} bytes at most"
)]
pub struct NotATester;

impl Tester {
    /// Whether this request is a tester's.
    fn knows(&self, headers: &HeaderMap) -> bool {
        match self {
            Self::Header(name, None) => headers.contains_key(name),
            Self::Header(name, Some(value)) => headers.get_all(name).iter().any(|given| given == value),
            Self::Cookie(name, value) => {
                let fields = headers.get_all(COOKIE).iter().filter_map(|field| field.to_str().ok());
                let mut pairs = fields.flat_map(|field| field.split(';'));
                pairs.any(|pair| pair.trim().split_once('=') == Some((name, value)))
            }
        }
    }
}

impl FromStr for Tester {
    type Err = NotATester;

    fn from_str(text: &str) -> Result<Self, NotATester> {
        let (kind, mark) = text.split_once(' ').ok_or(NotATester)?;
        let (name, value) = match mark.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (mark, None),
        };
        if mark.len() > TESTER_BYTES_MAX {
            return Err(NotATester);
        }
        match (kind, value) {
            ("header", value) => {
                let name = name.parse().map_err(|_| NotATester)?;
                let value = value.map(HeaderValue::from_str).transpose().map_err(|_| NotATester)?;
                // It is written down as text, and has to be the same when it is read again.
                if value.as_ref().is_some_and(|value| value.to_str().is_err()) {
                    return Err(NotATester);
                }
                Ok(Self::Header(name, value))
            }
            ("cookie", Some(value)) if is_cookie(name, value) => {
                Ok(Self::Cookie(name.to_owned(), value.to_owned()))
            }
            (_, _) => Err(NotATester),
        }
    }
}

/// RFC 6265 §4.1.1, less the quotes.
fn is_cookie(name: &str, value: &str) -> bool {
    let visible = |byte: u8| byte.is_ascii_graphic() && !b"\",;\\".contains(&byte);
    name.parse::<HeaderName>().is_ok() && value.bytes().all(visible)
}

impl fmt::Display for Tester {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name, None) => write!(f, "header {name}"),
            Self::Header(name, Some(value)) => {
                write!(f, "header {name}={}", value.to_str().unwrap_or_default())
            }
            Self::Cookie(name, value) => write!(f, "cookie {name}={value}"),
        }
    }
}

impl Serialize for Tester {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Tester {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Chooses the requests of a canary. Counts them, and waits for nobody.
#[derive(Debug)]
pub struct Picker {
    share: Share,
    tester: Option<Tester>,
    requests: AtomicU64,
}

impl Picker {
    /// Chooses as `canary` says.
    pub fn new(canary: &Canary) -> Self {
        Self { share: canary.share, tester: canary.tester.clone(), requests: AtomicU64::new(0) }
    }

    /// Whether the canary gets this request.
    pub fn picks(&self, headers: &HeaderMap) -> bool {
        if self.tester.as_ref().is_some_and(|tester| tester.knows(headers)) {
            return true;
        }
        self.share.takes(self.requests.fetch_add(1, Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;

    fn picker(percent: u8, tester: Option<&str>) -> Picker {
        Picker::new(&Canary {
            version: VersionId(Digest::of(b"")),
            share: Share::percent(percent).expect("test"),
            tester: tester.map(|text| text.parse().expect("test")),
        })
    }

    #[test]
    fn every_share_is_kept_over_a_hundred_and_over_ten_thousand() {
        let none = HeaderMap::new();
        for percent in 0..=100 {
            let picker = picker(percent, None);
            let picked: Vec<bool> = (0..10_000).map(|_| picker.picks(&none)).collect();
            let count = |part: &[bool]| part.iter().filter(|&&picked| picked).count();
            let expected = usize::from(percent);
            assert!(count(&picked).abs_diff(expected * 100) <= 2, "{percent}: {}", count(&picked));
            for part in picked.chunks(100) {
                assert!(count(part).abs_diff(expected) <= 2, "{percent}: {}", count(part));
            }
        }
        assert_eq!(Share::percent(101), None);
    }

    #[test]
    fn testers_always_meet_the_canary_and_others_by_chance() {
        let headers = |fields: &[(&'static str, &'static str)]| -> HeaderMap {
            let named = |&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
            fields.iter().map(named).collect()
        };
        for (tester, fields, knows) in [
            ("header x-canary", &[("x-canary", "")][..], true),
            ("header X-Canary=1", &[("x-canary", "0"), ("x-canary", "1")], true),
            ("header x-canary=1", &[("x-canary", "11")], false),
            ("header x-canary", &[("x-other", "1")], false),
            ("cookie try=new", &[("cookie", "a=b; try=new;c=d")], true),
            ("cookie try=new", &[("cookie", "a=b"), ("cookie", "try=new")], true),
            ("cookie try=new", &[("cookie", "try=newer; retry=new")], false),
        ] {
            assert_eq!(picker(0, Some(tester)).picks(&headers(fields)), knows, "{tester} {fields:?}");
        }
    }

    #[test]
    fn a_testers_mark_reads_as_it_is_written() {
        for text in ["header x-canary", "header x-canary=a b", "cookie try=new"] {
            assert_eq!(text.parse::<Tester>().expect(text).to_string(), text);
        }
        let long = format!("header x={}", "y".repeat(TESTER_BYTES_MAX));
        let alien = "header x-canary=\u{e9}";
        for text in
            ["", "header", "header ", "header a b", "cookie a", "cookie a=b;c=d", "query a=b", alien, &long]
        {
            assert_eq!(text.parse::<Tester>(), Err(NotATester), "{text}");
        }
    }
}
