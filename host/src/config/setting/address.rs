//! Reads addresses: where to listen, and where outbound requests may go. A refusal shows the
//! address that was probably meant.

use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use crate::config::mistake::Refusal;
use crate::config::{AdminListen, Destination, ListenAt};

/// The port that is offered where one is missing.
const LISTEN_PORT: u16 = 8080;

/// The longest path of a Unix socket: `sun_path` of unix(7), with the zero byte at its end.
const UNIX_PATH_BYTES_MAX: usize = 107;

/// Reads where to listen: an address, `unix:PATH`, or `auto`.
pub(super) fn listen(text: &str) -> Result<ListenAt, Refusal> {
    match (text, text.strip_prefix("unix:")) {
        ("auto", _) => Ok(ListenAt::Auto),
        (_, Some(path)) => unix_path(path).map(ListenAt::Unix),
        (_, None) => address(text).map(ListenAt::Tcp).map_err(|refusal| refusal.or_word("auto")),
    }
}

fn unix_path(path: &str) -> Result<PathBuf, Refusal> {
    match path.len() {
        1..=UNIX_PATH_BYTES_MAX if !path.contains('\0') => Ok(PathBuf::from(path)),
        _ => Err(Refusal::expected(format!("a path of 1 to {UNIX_PATH_BYTES_MAX} bytes after `unix:`"))),
    }
}

/// Reads an address to listen on. Names are refused: which of its addresses would listen is a guess.
fn address(text: &str) -> Result<SocketAddr, Refusal> {
    text.parse().map_err(|_| {
        let refusal = Refusal::expected("an IP address and a port, IPv6 in brackets");
        match listen_meant(text) {
            Some(address) => refusal.or_rather(address),
            None => refusal,
        }
    })
}

/// Reads where the admin side listens.
pub(super) fn admin(text: &str) -> Result<AdminListen, Refusal> {
    match text {
        "off" => Ok(AdminListen::Off),
        "auto" => Ok(AdminListen::Usual),
        _ => address(text).map(AdminListen::At).map_err(|refusal| {
            // Two listeners cannot share the port that a missing one is filled in with.
            Refusal { example: None, ..refusal }.or_word("auto").or_word("off")
        }),
    }
}

/// Reads a network, or one address. Bits beyond its prefix would say that something else was meant.
pub(super) fn network(text: &str) -> Result<IpNet, Refusal> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(address.into());
    }
    let refusal = || Refusal::expected("an IP address, or a network such as 10.0.0.0/8");
    let network = text.parse::<IpNet>().map_err(|_| refusal())?;
    if network == network.trunc() { Ok(network) } else { Err(refusal().or_rather(network.trunc())) }
}

/// Reads one destination: `HOST:PORT`, `HOST:*`, `[IPv6]:PORT`.
pub(super) fn destination(text: &str) -> Result<Destination, Refusal> {
    destination_exact(text).map_err(|reason| {
        let refusal = Refusal::expected(reason);
        match destination_meant(text) {
            Some(meant) => refusal.or_rather(meant),
            None => refusal,
        }
    })
}

fn listen_meant(text: &str) -> Option<SocketAddr> {
    if let Ok(ip) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Some(SocketAddr::new(ip, LISTEN_PORT));
    }
    let (host, port) = text.rsplit_once(':').unwrap_or(("localhost", text));
    let ip = match host {
        "localhost" => Ipv4Addr::LOCALHOST,
        "" | "*" => Ipv4Addr::UNSPECIFIED,
        _ => return None,
    };
    Some(SocketAddr::from((ip, port.parse().ok()?)))
}

fn destination_exact(text: &str) -> Result<Destination, &'static str> {
    if text.contains("://") {
        return Err("HOST:PORT without a scheme");
    }
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or("an IPv6 address in brackets and a port")?;
        let address: Ipv6Addr = host.parse().map_err(|_| "an IPv6 address in brackets and a port")?;
        (address.to_string(), rest.strip_prefix(':').ok_or("a port after the host, or `*` for every port")?)
    } else {
        let (host, port) = text.split_once(':').ok_or("a port after the host, or `*` for every port")?;
        if port.contains(':') {
            return Err("brackets around an IPv6 address");
        }
        (host_name(host)?, port)
    };
    Ok(Destination { host, port: port_or_all(port)? })
}

/// A host name as requests spell it: RFC 3986 §3.2.2, less what no outbound request needs.
fn host_name(host: &str) -> Result<String, &'static str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if host.is_empty() {
        Err("a host before the port")
    } else if host.contains('*') {
        Err("a whole host name, since a wildcard would grant hosts that nobody named")
    } else if !host.is_ascii() {
        Err("a host name in ASCII, the form that starts with `xn--`")
    } else if !host.bytes().all(is_plain) {
        Err("a host name or an IP address, and a port")
    } else if host.ends_with('.') {
        Err("a host name without a dot at its end")
    } else {
        Ok(host.to_ascii_lowercase())
    }
}

fn port_or_all(port: &str) -> Result<Option<u16>, &'static str> {
    match port.parse() {
        Ok(0) => Err("a port from 1 to 65535, or `*` for every port"),
        Ok(number) => Ok(Some(number)),
        Err(_) if port == "*" => Ok(None),
        Err(_) => Err("a port from 1 to 65535, or `*` for every port"),
    }
}

fn destination_meant(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let authority = rest.split('/').next().unwrap_or(rest).trim_end_matches('.');
    let port = if scheme.eq_ignore_ascii_case("http") { 80 } else { 443 };
    [authority.to_owned(), format!("{authority}:{port}"), format!("[{authority}]:{port}")]
        .into_iter()
        .chain(authority.rsplit_once(':').map(|(host, port)| format!("[{host}]:{port}")))
        .find(|meant| destination_exact(meant).is_ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check_destination(text: &str, host: &str, port: Option<u16>) {
        assert_eq!(destination(text), Ok(Destination { host: host.into(), port }), "{text}");
    }

    #[test]
    fn destinations_are_lower_case_and_without_brackets() {
        check_destination("API.Example.com:443", "api.example.com", Some(443));
        check_destination("localhost:*", "localhost", None);
        check_destination("127.0.0.1:65535", "127.0.0.1", Some(65535));
        check_destination("[0:0::1]:80", "::1", Some(80));
        check_destination("[2001:DB8::1]:*", "2001:db8::1", None);
    }

    #[test]
    fn refused_destination_shows_the_one_that_was_meant() {
        let cases = [
            ("api.example.com", Some("api.example.com:443")),
            ("http://api.example.com", Some("api.example.com:80")),
            ("https://api.example.com/v1?x", Some("api.example.com:443")),
            ("http://api.example.com:8080/", Some("api.example.com:8080")),
            ("api.example.com:443/path", Some("api.example.com:443")),
            ("example.com.", Some("example.com:443")),
            ("::1", Some("[::1]:443")),
            ("2001:db8:0:0:0:0:0:1:80", Some("[2001:db8:0:0:0:0:0:1]:80")),
            ("[::1]", Some("[::1]:443")),
            ("*.example.com:443", None),
            ("*:443", None),
            ("bücher.example:443", None),
            ("user@example.com:443", None),
            ("example.com:0", None),
            ("example.com:65536", None),
            (":443", None),
            ("", None),
        ];
        for (text, meant) in cases {
            let refusal = destination(text).unwrap_err();
            assert_eq!(refusal.example.as_deref(), meant, "{text}: {refusal}");
        }
    }

    #[test]
    fn wildcard_host_is_refused_with_its_reason() {
        let refusal = destination("*.example.com:443").unwrap_err();
        assert!(refusal.expected.contains("wildcard"), "{refusal}");
    }

    #[test]
    fn refused_listener_shows_the_one_that_was_meant() {
        let cases = [
            ("8080", Some("127.0.0.1:8080")),
            (":8080", Some("0.0.0.0:8080")),
            ("localhost:3000", Some("127.0.0.1:3000")),
            ("0.0.0.0", Some("0.0.0.0:8080")),
            ("::1", Some("[::1]:8080")),
            ("example.com:80", None),
            ("127.0.0.1:65536", None),
        ];
        for (text, meant) in cases {
            assert_eq!(listen(text).unwrap_err().example.as_deref(), meant, "{text}");
        }
        assert_eq!(listen("127.0.0.1:0"), Ok(ListenAt::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)))));
    }

    #[test]
    fn unix_sockets_are_as_long_as_the_kernel_takes_them() {
        let longest = "a".repeat(UNIX_PATH_BYTES_MAX);
        for path in ["/run/a.sock", "a", &longest] {
            assert_eq!(listen(&format!("unix:{path}")), Ok(ListenAt::Unix(path.into())));
        }
        for path in ["", "a\0b", &format!("{longest}a")] {
            assert!(listen(&format!("unix:{path}")).is_err(), "{path:?}");
        }
    }

    /// Texts that are nearly right.
    const NEAR_ADDRESS: &str = "(https?://)?[\\[]?[a-zA-Z0-9.:*é-]{0,20}[\\]]?(:[0-9*]{0,6})?/?";

    proptest! {
        #[test]
        fn offered_addresses_are_accepted(text in NEAR_ADDRESS) {
            if let Err(Refusal { example: Some(meant), .. }) = destination(&text) {
                prop_assert!(destination(&meant).is_ok(), "{}", meant);
            }
            if let Err(Refusal { example: Some(meant), .. }) = listen(&text) {
                prop_assert!(listen(&meant).is_ok(), "{}", meant);
            }
        }

        #[test]
        fn no_text_panics(text in "\\PC*") {
            let _ = (destination(&text), listen(&text));
        }
    }
}
