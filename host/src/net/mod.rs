//! The network side: connections, requests' heads and bodies, and the host's own answers. The only
//! place, next to the outbound client, that names hyper; it never runs a guest.

mod accepted;
mod activity;
mod admin;
mod answer;
mod certificates;
mod connection;
mod drain;
mod entrance;
mod guest_body;
mod handshakes;
mod head;
mod hops;
mod lead;
mod listener;
mod native;
mod origin;
mod protocol;
mod request_body;
mod reserve;
mod service;
mod socket;
mod stall;
mod steps;
mod stream;
mod tls;
mod upload;
mod versions;

pub use admin::Admin;
pub use certificates::TlsError;
pub use drain::Drain;
pub use entrance::Entrance;
pub use listener::Listener;
pub use service::Host;
pub use steps::receive;
pub use tls::Tls;
