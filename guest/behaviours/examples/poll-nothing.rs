//! Polls an empty list, which could never be ready and which `wasi:io/poll` makes a trap.
//!
//! Claim: the error of a host call is that request's `guest_trap`.

use behaviours::prelude::*;
use behaviours::wasip2::io::poll;

behaviours::export!(handle);

fn handle(_request: IncomingRequest, _out: ResponseOutparam) {
    std::hint::black_box(poll::poll(&[]));
}
