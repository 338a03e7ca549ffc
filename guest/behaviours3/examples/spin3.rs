//! Loops forever, and calls nothing.
//!
//! Claim: a runaway guest ends with `guest_timeout` or `cpu_limit`, and stalls nobody else.

use behaviours3::prelude::*;

behaviours3::export!(handle);

async fn handle(_request: Request) -> Result<Response, ErrorCode> {
    let mut turns = 0_u64;
    loop {
        // Without something to keep, the optimizer may make the loop a trap.
        turns = std::hint::black_box(turns.wrapping_add(1));
    }
}
