//! Checks of a request's head that hyper leaves to us, and what the guest gets to see of it.

use super::hops;
use super::origin::{Origin, ROUTE};
use crate::config::NetConfig;
use crate::outcome::Reason;
use crate::telemetry::RequestId;
use http::header::{CONTENT_LENGTH, HOST, HeaderValue};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, Method, Version};

/// Header fields of one request; hyper itself stops at its own, higher number.
const FIELDS_MAX: usize = 100;

/// The length of the longest path that a log line repeats.
pub(super) const LOGGED_PATH_BYTES_MAX: usize = 1024;

/// Refuses what no handler should see: too long, too large, or not routable.
pub(super) fn check(head: &Parts, config: &NetConfig) -> Result<(), Reason> {
    check_fields(head, config)?;
    match declared_length(&head.headers) {
        Some(length) if length > config.body_bytes_max => Err(Reason::BodyTooLarge),
        Some(_) | None => Ok(()),
    }
}

/// The same, whatever the body.
pub(super) fn check_fields(head: &Parts, config: &NetConfig) -> Result<(), Reason> {
    if uri_bytes(head) > config.uri_bytes_max {
        return Err(Reason::UriTooLong);
    }
    let fields_bytes: usize =
        head.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if head.headers.len() > FIELDS_MAX || fields_bytes > config.header_bytes_max {
        return Err(Reason::HeadersTooLarge);
    }
    if head.method == Method::CONNECT {
        return Err(Reason::NotImplemented);
    }
    check_host(head)
}

/// RFC 9112 §3.2: an HTTP/1.1 request has exactly one `Host`, and it is an authority. RFC 9113 §8.3.1:
/// in HTTP/2 `:authority` says it, or a `Host` does, or both the same.
fn check_host(head: &Parts) -> Result<(), Reason> {
    // Names of users are not routed, and credentials do not belong here (RFC 9110 §4.2.4).
    let named = head.uri.authority().map(Authority::as_str);
    if named.is_some_and(|authority| authority.contains('@')) {
        return Err(Reason::BadRequest);
    }
    let mut hosts = head.headers.get_all(HOST).iter();
    let valid = |host: &HeaderValue| {
        host.to_str()
            .ok()
            .and_then(|host| host.parse::<Authority>().ok())
            // Whoever stands before us may have routed by the one, and the guest is told the other.
            .is_some_and(|host| !host.as_str().contains('@') && named.is_none_or(|named| host == *named))
    };
    match (hosts.next(), hosts.next()) {
        (Some(host), None) if valid(host) => Ok(()),
        (None, None) if head.version < Version::HTTP_11 => Ok(()),
        (None, None) if head.version == Version::HTTP_2 && named.is_some() => Ok(()),
        (Some(_) | None, _) => Err(Reason::BadRequest),
    }
}

fn uri_bytes(head: &Parts) -> usize {
    let authority = head.uri.authority().map_or(0, |authority| authority.as_str().len());
    authority + head.uri.path_and_query().map_or(0, |path| path.as_str().len())
}

/// The body's declared length; hyper refuses several of them and broken ones.
pub(super) fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Makes the head the guest's: without what ends at this hop, with one truth about where it comes from,
/// the request's id, and the route that led here if the guest is to know.
pub(super) fn hand_over(head: &mut Parts, id: &RequestId, origin: Origin, route: Option<HeaderValue>) {
    // First, so that no client has the host's own fields removed.
    hops::strip(&mut head.headers);
    origin.tell(head);
    head.headers.insert(super::answer::REQUEST_ID, id.header_value());
    if let Some(route) = route {
        head.headers.insert(ROUTE, route);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn config() -> NetConfig {
        let time = std::time::Duration::from_secs(1);
        NetConfig {
            listen: Vec::new(),
            tls: crate::config::TlsSettings {
                cert: None,
                key: None,
                client_ca: None,
                handshakes_max: 1,
                handshake_timeout: time,
            },
            proxies: crate::config::ProxyConfig {
                trusted: Vec::new(),
                forwarded_by: crate::config::ForwardedBy::XForwarded,
            },
            connections_max: 1,
            body_bytes_max: 10,
            uri_bytes_max: 64,
            header_bytes_max: 256,
            concurrent_streams_max: 1,
            header_timeout: time,
            idle_timeout: time,
            body_timeout: time,
            write_timeout: time,
            drain_delay: time,
            drain_timeout: time,
        }
    }

    fn checked(build: impl FnOnce(http::request::Builder) -> http::request::Builder) -> Result<(), Reason> {
        let request = build(Request::builder().uri("/").header(HOST, "a.example"));
        check(&request.body(()).expect("test request").into_parts().0, &config())
    }

    #[test]
    fn each_limit_holds_on_both_sides() {
        assert_eq!(checked(|request| request), Ok(()));
        assert_eq!(checked(|request| request.uri(format!("/{}", "a".repeat(63)))), Ok(()));
        assert_eq!(checked(|request| request.uri(format!("/{}", "a".repeat(64)))), Err(Reason::UriTooLong));
        assert_eq!(checked(|request| request.header(CONTENT_LENGTH, "10")), Ok(()));
        assert_eq!(checked(|request| request.header(CONTENT_LENGTH, "11")), Err(Reason::BodyTooLarge));
        let room = 256 - "host".len() - "a.example".len() - 4 - "x".len() - 4;
        assert_eq!(checked(|request| request.header("x", "a".repeat(room))), Ok(()));
        let full = checked(|request| request.header("x", "a".repeat(room + 1)));
        assert_eq!(full, Err(Reason::HeadersTooLarge));
    }

    #[test]
    fn connect_and_strange_hosts_are_refused() {
        assert_eq!(checked(|request| request.method("CONNECT")), Err(Reason::NotImplemented));
        assert_eq!(checked(|request| request.header(HOST, "b.example")), Err(Reason::BadRequest));
        for host in ["", "a b", "a/b", "user@a.example", "[::1"] {
            let request = Request::builder().uri("/").header(HOST, host).body(()).expect("test request");
            assert_eq!(check(&request.into_parts().0, &config()), Err(Reason::BadRequest), "{host:?}");
        }
        let none = Request::builder().uri("/").body(()).expect("test request");
        assert_eq!(check(&none.into_parts().0, &config()), Err(Reason::BadRequest));
        let new = |uri| Request::builder().version(Version::HTTP_2).uri(uri);
        let check_new = |request: http::request::Builder| {
            check(&request.body(()).expect("test request").into_parts().0, &config())
        };
        assert_eq!(check_new(new("http://a.example/")), Ok(()));
        assert_eq!(check_new(new("http://a.example/").header(HOST, "A.example")), Ok(()));
        assert_eq!(check_new(new("/").header(HOST, "a.example")), Ok(()));
        for other in ["b.example", "a.example:81", "", "a.example, a.example"] {
            let refused = check_new(new("http://a.example/").header(HOST, other));
            assert_eq!(refused, Err(Reason::BadRequest), "{other:?}");
        }
        assert_eq!(check_new(new("http://user@a.example/")), Err(Reason::BadRequest));
        assert_eq!(check_new(new("/")), Err(Reason::BadRequest));
        let old = Request::builder().uri("/").version(Version::HTTP_10).body(()).expect("test request");
        assert_eq!(check(&old.into_parts().0, &config()), Ok(()));
    }
}
