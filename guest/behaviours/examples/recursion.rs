//! Calls itself without end.
//!
//! Claim: a stack that overflows is that request's `guest_trap`, and never reaches the host's own
//! stack.

use behaviours::prelude::*;

behaviours::export!(handle);

fn handle(_request: IncomingRequest, _out: ResponseOutparam) {
    std::hint::black_box(depth_below(0));
}

/// What is done with the result after the call keeps this from becoming a loop, which without the
/// black boxes it would: an optimizer that sees all of it knows that it never returns.
#[inline(never)]
fn depth_below(depth: u64) -> u64 {
    match std::hint::black_box(depth) {
        u64::MAX => 0,
        depth => std::hint::black_box(depth_below(depth + 1)) + 1,
    }
}
