//! What guests may reach beyond themselves, each only as far as it was granted.

mod guest_log;
mod outbound;

pub use guest_log::GuestLog;
pub use outbound::{Outbound, OutboundGrant};
