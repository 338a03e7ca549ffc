//! The name of one request, in its log lines, its answer and its guest: `x-request-id`.

use http::HeaderValue;
use std::fmt;
use uuid::Uuid;

/// Longest id taken over from a client.
const CLIENT_ID_BYTES_MAX: usize = 64;

/// A request's id: the client's own when it is short and harmless, else a random UUID.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// Takes over `client` if it is 1 to 64 letters, digits, `.`, `_` or `-`, so that a request can be
    /// followed through several servers; makes an id otherwise.
    pub fn from_client(client: Option<&HeaderValue>) -> Self {
        let harmless = |id: &&HeaderValue| {
            (1..=CLIENT_ID_BYTES_MAX).contains(&id.len())
                && id.as_bytes().iter().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(b))
        };
        // Copied: a slice of what the client sent would keep all of it.
        let copied = |id: &HeaderValue| HeaderValue::from_bytes(id.as_bytes()).ok();
        Self(client.filter(harmless).and_then(copied).unwrap_or_else(random))
    }

    /// The id as a header value.
    pub fn header_value(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.to_str().expect("request id: only visible ASCII is accepted or made"))
    }
}

fn random() -> HeaderValue {
    let id = Uuid::new_v4().simple();
    HeaderValue::from_str(id.encode_lower(&mut Uuid::encode_buffer())).expect("request id: a UUID is ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(client: &[u8]) -> Option<String> {
        let value = HeaderValue::from_bytes(client).ok()?;
        Some(RequestId::from_client(Some(&value)).to_string())
    }

    #[test]
    fn a_harmless_id_is_kept_and_a_strange_one_replaced() {
        assert_eq!(id(b"a.B_9-c").as_deref(), Some("a.B_9-c"));
        assert_eq!(id(&[b'a'; 64]).map(|id| id.len()), Some(64));
        for strange in [&b""[..], b"a b", b"\xc3\xa9", b"a\"b", &[b'a'; 65]] {
            assert_eq!(id(strange).map(|id| id.len()), Some(32), "{strange:?}");
        }
    }

    proptest! {
        #[test]
        fn any_client_value_gives_a_sendable_id(bytes: Vec<u8>) {
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                RequestId::from_client(Some(&value)).header_value();
            }
        }
    }
}
