//! Outbound HTTP (`wasi:http/outgoing-handler`): denied unless the destination was granted by name,
//! and never longer than the request it is made for.

use crate::config::Destination;
use http::uri::{Authority, Scheme};
use std::future::Future;
use std::net::Ipv6Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime_wasi_http::{Error, RequestOptions, Result, WasiBody, WasiHttpHooks, default_send_request};

/// Bytes of one chunk of an outgoing body; two may wait.
const CHUNK_BYTES_MAX: usize = 16 * 1024;

/// What one handler's guests may reach, and over how many connections together.
#[derive(Clone, Debug)]
pub struct OutboundGrant {
    destinations: Arc<[Destination]>,
    connections: Arc<Semaphore>,
}

impl OutboundGrant {
    /// Grants `destinations` over `connections_max` connections at once.
    pub fn new(destinations: &[Destination], connections_max: u32) -> Self {
        Self {
            destinations: destinations.into(),
            connections: Arc::new(Semaphore::new(connections_max as usize)),
        }
    }
}

/// One instance's way out.
#[derive(Debug)]
pub struct Outbound {
    grant: OutboundGrant,
    /// This instance's share of the connections.
    connections: Arc<Semaphore>,
    deadline: Instant,
    /// Set when the library asks how large chunks of a 0.3 guest's body may be, which it does only for one
    /// that the guest itself writes.
    pub asked_chunk_size: bool,
}

impl Outbound {
    /// Lets requests go where `grant` says until `deadline`, over `connections_max` connections at once.
    pub fn new(grant: OutboundGrant, connections_max: u32, deadline: Instant) -> Self {
        Self {
            grant,
            connections: Arc::new(Semaphore::new(connections_max as usize)),
            deadline,
            asked_chunk_size: false,
        }
    }

    /// Serves another request, which ends by `deadline`. What is still open counts.
    pub fn extend(&mut self, deadline: Instant) {
        self.deadline = deadline;
        self.asked_chunk_size = false;
    }

    /// Whether a grant names this destination. Names are compared whole and without case; nothing
    /// is resolved, so a name that was granted may lead anywhere its owner lets it.
    pub fn allows(&self, tls: bool, authority: &str) -> bool {
        let Ok(authority) = authority.parse::<Authority>() else { return false };
        let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let host = canonical(authority.host());
        self.grant
            .destinations
            .iter()
            .any(|granted| granted.host == host && granted.port.is_none_or(|granted| granted == port))
    }

    /// A connection of the instance's and of the handler's; none is waited for.
    fn connection(&self) -> Result<[OwnedSemaphorePermit; 2]> {
        let permit =
            |of: &Arc<Semaphore>| of.clone().try_acquire_owned().map_err(|_| Error::ConnectionLimitReached);
        Ok([permit(&self.connections)?, permit(&self.grant.connections)?])
    }

    /// The guest's timeouts, each at most what is left of the request's own time.
    fn clamp(&self, options: Option<RequestOptions>) -> RequestOptions {
        let left = self.deadline.saturating_duration_since(Instant::now());
        let clamp = |wish: Option<Duration>| Some(wish.map_or(left, |wish| wish.min(left)));
        let options = options.unwrap_or_default();
        RequestOptions {
            connect_timeout: clamp(options.connect_timeout),
            first_byte_timeout: clamp(options.first_byte_timeout),
            between_bytes_timeout: clamp(options.between_bytes_timeout),
        }
    }
}

/// A host as grants spell it: names in lower case, IPv6 addresses in one spelling and without brackets.
fn canonical(host: &str) -> String {
    let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    match literal.and_then(|address| address.parse::<Ipv6Addr>().ok()) {
        Some(address) => address.to_string(),
        None => host.to_ascii_lowercase(),
    }
}

type Sent = Box<dyn Future<Output = Result<()>> + Send>;

impl WasiHttpHooks for Outbound {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _sent: Sent,
    ) -> Box<dyn Future<Output = Result<(http::Response<WasiBody>, Sent)>> + Send> {
        let uri = request.uri();
        let tls = uri.scheme() != Some(&Scheme::HTTP);
        if !uri.authority().is_some_and(|to| self.allows(tls, to.as_str())) {
            return Box::new(async { Err(Error::HttpRequestDenied) });
        }
        let permits = match self.connection() {
            Ok(permits) => permits,
            Err(error) => return Box::new(async { Err(error) }),
        };
        let options = self.clamp(options);
        let deadline = tokio::time::Instant::from_std(self.deadline);
        Box::new(async move {
            // The library bounds connect and first byte, but not the TLS handshake between them.
            let send = tokio::time::timeout_at(deadline, default_send_request(request, Some(options)));
            let (response, connection) = send.await.map_err(|_| Error::ConnectionTimeout)??;
            let connection = async move {
                let _permits = permits;
                tokio::time::timeout_at(deadline, connection).await.map_err(|_| Error::ConnectionTimeout)?
            };
            Ok((response.map(http_body_util::BodyExt::boxed_unsync), Box::new(connection) as Sent))
        })
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK_BYTES_MAX
    }

    fn p3_outgoing_body_chunk_size(&mut self) -> usize {
        self.asked_chunk_size = true;
        CHUNK_BYTES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbound(granted: &[(&str, Option<u16>)]) -> Outbound {
        let granted: Vec<_> =
            granted.iter().map(|&(host, port)| Destination { host: host.to_owned(), port }).collect();
        Outbound::new(OutboundGrant::new(&granted, 3), 2, Instant::now() + Duration::from_secs(5))
    }

    fn allows(outbound: &Outbound, uri: &str) -> bool {
        let uri: http::Uri = uri.parse().expect("test uri");
        outbound.allows(uri.scheme() == Some(&Scheme::HTTPS), uri.authority().expect("test uri").as_str())
    }

    #[test]
    fn only_what_was_named_is_reachable() {
        let granted = outbound(&[("api.example", Some(443)), ("::1", Some(80)), ("any.example", None)]);
        for allowed in
            ["https://api.example/", "https://API.example:443/", "http://[0:0::1]/", "http://any.example:9/"]
        {
            assert!(allows(&granted, allowed), "{allowed}");
        }
        for denied in [
            "http://api.example/",
            "https://api.example.evil/",
            "https://evil-api.example/",
            "http://[::1]:81/",
            "http://user@other.example/",
            "http://api.example@other.example:443/",
        ] {
            assert!(!allows(&granted, denied), "{denied}");
        }
        assert!(!allows(&outbound(&[]), "http://localhost/"));
    }

    #[test]
    fn connections_are_bounded_for_an_instance_and_for_its_handler() {
        let first = outbound(&[]);
        let second = Outbound::new(first.grant.clone(), 2, first.deadline);
        let held = [first.connection(), first.connection(), second.connection()];
        assert!(held.iter().all(Result::is_ok));
        assert!(first.connection().is_err() && second.connection().is_err());
        drop(held);
        assert!(second.connection().is_ok());
    }

    #[test]
    fn no_timeout_outlives_the_request() {
        let outbound = outbound(&[]);
        let wish = Duration::from_secs(600);
        let options = outbound.clamp(Some(RequestOptions {
            connect_timeout: Some(wish),
            first_byte_timeout: None,
            between_bytes_timeout: Some(Duration::from_millis(1)),
        }));
        let limit = Duration::from_secs(5);
        assert!(options.connect_timeout.is_some_and(|time| time <= limit));
        assert!(options.first_byte_timeout.is_some_and(|time| time <= limit));
        assert_eq!(options.between_bytes_timeout, Some(Duration::from_millis(1)));
    }
}
