//! Takes `?mib=` mebibytes, 1 by default, touches them all, and answers `ok N`.
//!
//! Claim: a guest has all the memory that its limit promises, and not more.

use behaviours::prelude::*;

behaviours::export!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let mib = Query::of(&request).number("mib", 1);
    // Rust makes a refused growth an abort, and wasm makes that a trap.
    let memory = vec![1_u8; (mib as usize).saturating_mul(1 << 20)];
    std::hint::black_box(&memory);
    answer(out, 200, &format!("ok {mib}\n"));
}
