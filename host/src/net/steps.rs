//! What becomes of a request's head, without a connection: for benchmarks of it.

use super::head;
use super::origin::{Link, Origin};
use crate::config::NetConfig;
use crate::outcome::Reason;
use crate::telemetry::RequestId;
use http::request::Parts;
use http::uri::Scheme;
use std::net::IpAddr;

/// Checks a head that came from `client` over a plain connection, and makes it the guest's.
///
/// # Errors
/// Why no guest is to see it.
pub fn receive(mut head: Parts, client: IpAddr, config: &NetConfig) -> Result<Parts, Reason> {
    head::check(&head, config)?;
    let link = Link { local: None, peer: Some(client.into()), scheme: Scheme::HTTP };
    let origin = Origin::of(&head, &link, &config.proxies)?;
    let id = RequestId::from_client(None);
    head::hand_over(&mut head, &id, origin, None);
    Ok(head)
}
