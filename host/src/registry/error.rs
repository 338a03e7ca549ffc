//! Why a registry does not do what it was asked for: what was asked of whom, what came, and how to mend it.

use super::Reference;
use super::credentials::CredentialsError;
use crate::digest::Digest;
use bytesize::ByteSize;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

/// Characters of a registry's own words that are repeated.
const SAID_CHARS_MAX: usize = 200;

/// Why a component cannot be had from a registry, or put there. `asked` is a method and a URL without what may
/// be a secret in it.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each message says what its variant means")]
pub enum RegistryError {
    #[error("cannot find out the credentials for {registry}")]
    Credentials { registry: String, source: CredentialsError },
    #[error("{asked}: {what}")]
    Unreachable { asked: String, what: String, again: bool },
    #[error("{asked}: everything together may take {total:?} (`oci-timeout`), and that is over")]
    TimedOut { asked: String, total: Duration },
    #[error("{asked}: the answer was {status}{}{}", quoted(.said), later(*.after))]
    Busy { asked: String, status: u16, said: String, after: Option<Duration> },
    #[error("{asked}: the answer was {status}{}; {}", quoted(.said), credentials_hint(*.knew))]
    Denied { asked: String, status: u16, said: String, knew: bool },
    #[error("{asked}: there is no such thing{}", quoted(.said))]
    NotFound { asked: String, said: String },
    #[error("{asked}: the answer was {status}{}", quoted(.said))]
    Unexpected { asked: String, status: u16, said: String },
    #[error("{asked}: the registry sends to {to}, and that is not followed: {why}")]
    Elsewhere { asked: String, to: String, why: String },
    #[error("{asked}: the answer is larger than {}, the most that is read", ByteSize(*max))]
    TooLarge { asked: String, max: u64 },
    #[error(
        "the component is said to have {}, and {} is the most that is taken (`max-component`)", ByteSize(*said), ByteSize(*max)
    )]
    ComponentTooLarge { said: u64, max: u64 },
    #[error("{asked}: the blob was to have {expected} bytes, and {}", came(*.found, *.expected))]
    OtherLength { asked: String, expected: u64, found: u64 },
    #[error("{asked}: what came has the digest {found}, and asked for was {expected}")]
    OtherDigest { asked: String, expected: Digest, found: Digest },
    #[error("{asked}: the answer is not what it should be: {what}")]
    Malformed { asked: String, what: String },
    #[error("{0} names a digest, which follows from what is in it: name a tag")]
    PushToDigest(Reference),
}

impl RegistryError {
    /// What the outcome is called in answers, metrics and logs.
    pub fn reason(&self) -> &'static str {
        "oci_failed"
    }

    /// Whether it may go away by itself: the registry, or the way to it, is at fault, and not what was named.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { again, .. } => *again,
            Self::TimedOut { .. } | Self::Busy { .. } => true,
            Self::Credentials { .. }
            | Self::Denied { .. }
            | Self::NotFound { .. }
            | Self::Unexpected { .. }
            | Self::Elsewhere { .. }
            | Self::TooLarge { .. }
            | Self::ComponentTooLarge { .. }
            | Self::OtherLength { .. }
            | Self::OtherDigest { .. }
            | Self::Malformed { .. }
            | Self::PushToDigest(_) => false,
        }
    }
}

/// An address that a registry must not send this host to.
#[derive(Debug, thiserror::Error)]
#[error("{host} is {address}, which {what}")]
pub(super) struct Forbidden {
    pub(super) host: String,
    pub(super) address: IpAddr,
    pub(super) what: &'static str,
}

/// What somebody else says, on one line and bounded.
pub(super) fn harmless(text: &str) -> String {
    let mut harmless = String::new();
    for character in text.trim().chars().take(SAID_CHARS_MAX) {
        let _ = match character {
            '"' | '\'' => write!(harmless, "{character}"),
            _ => write!(harmless, "{}", character.escape_debug()),
        };
    }
    harmless
}

fn quoted(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(" (\"{text}\")") }
}

fn later(after: Option<Duration>) -> String {
    after.map_or_else(String::new, |after| format!(", and to come again after {after:?}"))
}

fn credentials_hint(knew: bool) -> &'static str {
    match knew {
        true => "the credentials of Docker's configuration were shown: do they allow this?",
        false => {
            "no credentials for this registry are known: `docker login` writes them, into the file \
             $DOCKER_CONFIG/config.json or ~/.docker/config.json"
        }
    }
}

fn came(found: u64, expected: u64) -> String {
    if found > expected { "more came".to_owned() } else { format!("{found} came") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_registries_say_is_bounded_and_on_one_line() {
        assert_eq!(harmless(" a\nb\u{1b}[1m "), "a\\nb\\u{1b}[1m");
        assert_eq!(harmless(&"é".repeat(1000)).chars().count(), SAID_CHARS_MAX);
    }

    #[test]
    fn messages_say_what_was_asked_of_whom_and_what_came() {
        let asked = "GET https://a.example/v2/b/manifests/1".to_owned();
        let busy = RegistryError::Busy {
            asked: asked.clone(),
            status: 429,
            said: "TOOMANYREQUESTS slow down".to_owned(),
            after: Some(Duration::from_secs(7)),
        };
        let told = "GET https://a.example/v2/b/manifests/1: the answer was 429 (\"TOOMANYREQUESTS slow down\"), and \
                    to come again after 7s";
        assert_eq!(busy.to_string(), told);
        assert!(busy.is_transient());
        let length = RegistryError::OtherLength { asked, expected: 10, found: 11 };
        assert!(length.to_string().ends_with("was to have 10 bytes, and more came"), "{length}");
        assert_eq!((length.is_transient(), length.reason()), (false, "oci_failed"));
    }
}
