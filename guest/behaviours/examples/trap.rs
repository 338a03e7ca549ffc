//! Executes `unreachable`.
//!
//! Claim: a trap is that request's `guest_trap`, and nothing of it reaches another.

use behaviours::prelude::*;

behaviours::export!(handle);

fn handle(_request: IncomingRequest, _out: ResponseOutparam) {
    core::arch::wasm32::unreachable()
}
