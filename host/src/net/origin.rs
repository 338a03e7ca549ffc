//! Who asks, and for what: one truth about a request's client, scheme and authority, from the connection
//! or, where a trusted proxy is at its other end, from what that proxy says. Whatever else the head says
//! about them does not reach a guest.

use crate::config::{ForwardedBy, ProxyConfig};
use crate::outcome::Reason;
use http::HeaderMap;
use http::header::{FORWARDED, HOST, HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Why they are values of fields.
const TEXT: &str = "origin: addresses and authorities are ASCII";
const HTTP: HeaderValue = HeaderValue::from_static("http");
const HTTPS: HeaderValue = HeaderValue::from_static("https");

/// The pattern by which the host led a request to its handler; the word of nobody else.
pub(super) const ROUTE: HeaderName = HeaderName::from_static("x-wasm-host-route");

/// What proxies say about a request's way, and handlers and their libraries believe; and `Proxy`, which
/// a CGI environment takes for a setting (httpoxy, CVE-2016-5385).
const CLAIMS: [HeaderName; 19] = [
    FORWARDED,
    FORWARDED_FOR,
    FORWARDED_PROTO,
    FORWARDED_HOST,
    HeaderName::from_static("x-forwarded-port"),
    HeaderName::from_static("x-forwarded-prefix"),
    HeaderName::from_static("x-forwarded-scheme"),
    HeaderName::from_static("x-forwarded-server"),
    HeaderName::from_static("x-forwarded-ssl"),
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("x-client-ip"),
    HeaderName::from_static("x-cluster-client-ip"),
    HeaderName::from_static("true-client-ip"),
    HeaderName::from_static("cf-connecting-ip"),
    HeaderName::from_static("x-original-host"),
    HeaderName::from_static("x-original-url"),
    HeaderName::from_static("x-rewrite-url"),
    HeaderName::from_static("proxy"),
    ROUTE,
];

fn is_claim(name: &str) -> bool {
    let same = |claim: &HeaderName| {
        let (claim, name) = (claim.as_str().bytes(), name.bytes());
        claim.eq(name.map(|byte| if byte == b'_' { b'-' } else { byte }))
    };
    CLAIMS.iter().any(same)
}

/// The end of a connection that is ours, and what is known of the other.
#[derive(Clone, Debug)]
pub(super) struct Link {
    /// The address that was reached; none of a Unix socket.
    pub(super) local: Option<SocketAddr>,
    /// Where it comes from; nowhere through a Unix socket.
    pub(super) peer: Option<Client>,
    /// How it is secured.
    pub(super) scheme: Scheme,
}

/// An address that asks, and its text: written once for a connection, and told with every request on it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Client {
    address: IpAddr,
    text: HeaderValue,
}

impl From<IpAddr> for Client {
    fn from(address: IpAddr) -> Self {
        Self { address, text: value(&address.to_string()) }
    }
}

/// Who asks, and for what.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Origin {
    /// The client, as far as it is known.
    client: Option<Client>,
    scheme: Scheme,
    authority: Authority,
}

/// What the proxies on the way said, the one closest to us last.
struct Hop<'a> {
    client: Option<&'a str>,
    scheme: Option<&'a str>,
    authority: Option<&'a str>,
}

impl Origin {
    /// Reads a head that was checked.
    ///
    /// # Errors
    /// [`Reason::BadRequest`] if a trusted proxy says what cannot be.
    pub(super) fn of(head: &Parts, link: &Link, config: &ProxyConfig) -> Result<Self, Reason> {
        let mut origin = Self {
            client: link.peer.clone(),
            scheme: link.scheme.clone(),
            authority: authority(head, link)?,
        };
        let trusted = |client: IpAddr| config.trusted.iter().any(|net| net.contains(&client.to_canonical()));
        // Only who may open the file of a Unix socket is behind it.
        if link.peer.as_ref().is_some_and(|peer| !trusted(peer.address)) {
            return Ok(origin);
        }
        let hops = match config.forwarded_by {
            ForwardedBy::XForwarded => x_forwarded(&head.headers)?,
            ForwardedBy::Forwarded => forwarded(&head.headers)?,
        };
        // From the closest on: each hop is the word of the one before, for as long as that one is trusted.
        for hop in hops.iter().rev() {
            if let Some(scheme) = hop.scheme {
                origin.scheme = match scheme.to_ascii_lowercase().as_str() {
                    "http" => Scheme::HTTP,
                    "https" => Scheme::HTTPS,
                    _ => return Err(Reason::BadRequest),
                };
            }
            if let Some(authority) = hop.authority {
                let authority = authority.parse::<Authority>().ok().filter(|it| !it.as_str().contains('@'));
                origin.authority = authority.ok_or(Reason::BadRequest)?;
            }
            // `unknown`, or a name of the proxy's own (RFC 7239 §6): there the trail ends.
            let Some(client) = hop.client.and_then(address) else { break };
            origin.client = Some(client.into());
            if !trusted(client) {
                break;
            }
        }
        Ok(origin)
    }

    /// Whose requests are counted together; what comes from nowhere comes from this machine.
    pub(super) fn client(&self) -> IpAddr {
        self.client.as_ref().map_or(Ipv4Addr::LOCALHOST.into(), |client| client.address)
    }

    /// The host that is asked for, without its port.
    pub(super) fn host(&self) -> &str {
        self.authority.host()
    }

    /// Makes it the only truth that `head` tells.
    pub(super) fn tell(self, head: &mut Parts) {
        let headers = &mut head.headers;
        // A CGI environment reads `X_Real_IP` as `X-Real-IP`, so it is one.
        let forged: Vec<_> = headers.keys().filter(|name| is_claim(name.as_str())).cloned().collect();
        for name in forged {
            headers.remove(name);
        }
        let Self { client, scheme, authority } = self;
        // Put together by hand, and each part made once: this is done for every request.
        let address = client.as_ref().map_or("unknown", |client| client.text.to_str().expect(TEXT));
        let [open, close] = match &client {
            Some(Client { address: IpAddr::V6(_), .. }) => ["\"[", "]\""],
            Some(_) | None => ["", ""],
        };
        let [proto, host] = [scheme.as_str(), authority.as_str()];
        let forwarded = ["for=", open, address, close, ";proto=", proto, ";host=\"", host, "\""].concat();
        headers.insert(FORWARDED, HeaderValue::try_from(forwarded).expect(TEXT));
        if let Some(client) = client {
            headers.insert(FORWARDED_FOR, client.text);
        }
        // Most often what it says already, in the same place.
        let host = match headers.get(HOST) {
            Some(told) if told.as_bytes() == host.as_bytes() => told.clone(),
            Some(_) | None => value(host),
        };
        headers.insert(FORWARDED_PROTO, if proto == "https" { HTTPS } else { HTTP });
        headers.insert(FORWARDED_HOST, host.clone());
        headers.insert(HOST, host);
        // A target in absolute form would say it once more.
        let target = head.uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
        head.uri = Uri::from(target);
        if scheme != Scheme::HTTP {
            head.extensions.insert(scheme);
        }
    }
}

/// A field's value of an address, or an authority.
fn value(text: &str) -> HeaderValue {
    HeaderValue::try_from(text).expect(TEXT)
}

/// What the target says, else `Host`; HTTP/1.0 needs neither, and the address that was reached is the
/// best there is.
fn authority(head: &Parts, link: &Link) -> Result<Authority, Reason> {
    if let Some(authority) = head.uri.authority() {
        return Ok(authority.clone());
    }
    let host = match (head.headers.get(HOST), link.local) {
        (Some(host), _) => Authority::try_from(host.as_bytes()),
        (None, Some(local)) => Authority::try_from(local.to_string()),
        (None, None) => return Ok(Authority::from_static("localhost")),
    };
    host.map_err(|_| Reason::BadRequest)
}

/// The elements of all fields of a name, in their order.
///
/// # Errors
/// [`Reason::BadRequest`] if a value is not text: without it, the others would not say what they mean.
fn elements<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Vec<&'a str>, Reason> {
    let mut elements = Vec::new();
    for value in headers.get_all(name) {
        let value = value.to_str().map_err(|_| Reason::BadRequest)?;
        elements.extend(value.split(',').map(str::trim).filter(|element| !element.is_empty()));
    }
    Ok(elements)
}

/// The `place`th element from the end, counted from one.
fn from_end<'a>(elements: &[&'a str], place: usize) -> Option<&'a str> {
    elements.len().checked_sub(place).map(|index| elements[index])
}

/// The three fields that go together by custom: `-For` grows by one element at every proxy, the others do
/// at some. They are alike at their ends, which the closest proxy wrote.
///
/// # Errors
/// [`Reason::BadRequest`] if a value is not text.
fn x_forwarded(headers: &HeaderMap) -> Result<Vec<Hop<'_>>, Reason> {
    let clients = elements(headers, &FORWARDED_FOR)?;
    let schemes = elements(headers, &FORWARDED_PROTO)?;
    let authorities = elements(headers, &FORWARDED_HOST)?;
    let count = clients.len().max(1);
    let hops = (0..count)
        .map(|index| Hop {
            client: from_end(&clients, count - index),
            scheme: from_end(&schemes, count - index),
            authority: from_end(&authorities, count - index),
        })
        .collect();
    Ok(hops)
}

/// RFC 7239 §4.
///
/// # Errors
/// [`Reason::BadRequest`] if a value is not closed: where it ends is anybody's guess.
fn forwarded(headers: &HeaderMap) -> Result<Vec<Hop<'_>>, Reason> {
    let mut hops = Vec::new();
    for value in headers.get_all(FORWARDED) {
        let value = value.to_str().map_err(|_| Reason::BadRequest)?;
        for element in unquoted(value, ',')? {
            let mut hop = Hop { client: None, scheme: None, authority: None };
            for pair in unquoted(element, ';')? {
                let Some((name, value)) = pair.split_once('=') else { continue };
                let value = value.trim().trim_matches('"');
                match name.trim().to_ascii_lowercase().as_str() {
                    "for" => hop.client = Some(value),
                    "proto" => hop.scheme = Some(value),
                    "host" => hop.authority = Some(value),
                    _ => {}
                }
            }
            hops.push(hop);
        }
    }
    Ok(hops)
}

/// Splits at `separator`, but not within quotes. No value that matters here has an escape in it.
fn unquoted(text: &str, separator: char) -> Result<Vec<&str>, Reason> {
    let mut quoted = false;
    let parts = text.split(|c| {
        quoted ^= c == '"';
        c == separator && !quoted
    });
    let parts = parts.map(str::trim).filter(|part| !part.is_empty()).collect();
    if quoted { Err(Reason::BadRequest) } else { Ok(parts) }
}

/// An address, also with a port behind it, as some proxies write it.
fn address(node: &str) -> Option<IpAddr> {
    let bare = node.strip_prefix('[').and_then(|node| node.strip_suffix(']')).unwrap_or(node);
    let address = bare.parse().ok().or_else(|| node.parse::<SocketAddr>().ok().map(|node| node.ip()));
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests;
