//! Who may ask the admin side: nobody's page in a browser, and where there is a token, who knows it.

use super::guesses::Guesses;
use crate::config::Token;
use crate::outcome::Reason;
use http::HeaderMap;
use http::header::{AUTHORIZATION, HOST, ORIGIN};
use http::request::Parts;
use http::uri::Authority;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Instant;

/// Keeps those out who have no business here.
pub(super) struct Guard {
    token: Option<Token>,
    guesses: Guesses,
}

impl Guard {
    pub(super) fn new(token: Option<Token>) -> Self {
        Self { token, guesses: Guesses::default() }
    }

    /// Refuses what a page sends that somebody on this machine looks at: browsers say where such a
    /// request comes from, and where they do not, they were led here under a foreign name (DNS
    /// rebinding). With a token both would be harmless, as no page knows it.
    pub(super) fn check_sender(&self, head: &Parts) -> Result<(), Reason> {
        if head.headers.contains_key(ORIGIN) {
            return Err(Reason::Forbidden);
        }
        if self.token.is_none() && !asks_this_machine(head) {
            return Err(Reason::Forbidden);
        }
        Ok(())
    }

    /// Refuses a client that does not know the token, or has guessed too often.
    pub(super) fn check_token(&self, client: IpAddr, head: &Parts) -> Result<(), Reason> {
        let Some(token) = &self.token else { return Ok(()) };
        let now = Instant::now();
        if self.guesses.blocked(client, now) {
            return Err(Reason::TooManyAttempts);
        }
        match bearer(&head.headers) {
            Some(given) if token.matches(given) => Ok(()),
            given => {
                // To be asked for the token is no guess.
                if given.is_some() || head.headers.contains_key(AUTHORIZATION) {
                    self.guesses.failed(client, now);
                }
                Err(Reason::Unauthorized)
            }
        }
    }
}

/// What stands behind `Bearer` (RFC 6750 §2.1), if the request has exactly one authorization.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let mut given = headers.get_all(AUTHORIZATION).iter();
    let (Some(only), None) = (given.next(), given.next()) else { return None };
    let (scheme, token) = only.as_bytes().split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token)
}

/// Whether the request names this machine by a name that only this machine has.
fn asks_this_machine(head: &Parts) -> bool {
    let host = head.headers.get(HOST).map(|host| host.to_str().ok()?.parse::<Authority>().ok());
    let host = match host {
        Some(None) => return false,
        Some(host) => host,
        None => None,
    };
    let mut named = head.uri.authority().into_iter().chain(&host).peekable();
    named.peek().is_some() && named.all(|authority| is_loopback(authority.host()))
}

fn is_loopback(host: &str) -> bool {
    match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse().is_ok_and(|address: Ipv6Addr| address.is_loopback()),
        None => {
            host.eq_ignore_ascii_case("localhost")
                || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn head(uri: &str, fields: &[(&str, &str)]) -> Parts {
        let request = fields
            .iter()
            .fold(Request::builder().uri(uri), |request, (name, value)| request.header(*name, *value));
        request.body(()).expect("test request").into_parts().0
    }

    #[test]
    fn only_names_of_this_machine_are_answered_without_a_token() {
        for (host, own) in [
            ("localhost:8081", true),
            ("LocalHost", true),
            ("127.0.0.1:8081", true),
            ("127.9.9.9", true),
            ("[::1]:8081", true),
            ("localhost.example", false),
            ("127.0.0.1.example", false),
            ("0.0.0.0:8081", false),
            ("192.0.2.1", false),
            ("[::2]", false),
            ("[::1", false),
            ("", false),
        ] {
            let open = Guard::new(None).check_sender(&head("/", &[("host", host)]));
            assert_eq!(open.is_ok(), own, "{host}");
        }
        let none = Guard::new(None).check_sender(&head("/", &[]));
        assert_eq!(none, Err(Reason::Forbidden));
        let whole = head("http://evil.example/", &[("host", "localhost")]);
        assert_eq!(Guard::new(None).check_sender(&whole), Err(Reason::Forbidden));
    }

    #[test]
    fn only_one_bearer_is_read() {
        let read = |fields: &[(&str, &str)]| bearer(&head("/", fields).headers).map(<[u8]>::to_vec);
        assert_eq!(read(&[("authorization", "Bearer abc")]), Some(b"abc".to_vec()));
        assert_eq!(read(&[("authorization", "bearer abc")]), Some(b"abc".to_vec()));
        for fields in [
            &[][..],
            &[("authorization", "Basic abc")],
            &[("authorization", "Bearer")],
            &[("authorization", "Bearer a"), ("authorization", "Bearer b")],
        ] {
            assert_eq!(read(fields), None, "{fields:?}");
        }
    }
}
