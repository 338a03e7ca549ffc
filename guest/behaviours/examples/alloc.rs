//! Takes `?mib=` mebibytes, 1 by default, touches them all, keeps them for `?ms=` milliseconds, 0 by
//! default, and answers `ok N`.
//!
//! Claim: a guest has all the memory that its limit promises, and not more.

use behaviours::prelude::*;
use behaviours::wasip2::clocks::monotonic_clock;

behaviours::export!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let query = query_of(&request);
    let mib = query.number("mib", 1);
    // Rust makes a refused growth an abort, and wasm makes that a trap.
    let memory = vec![1_u8; (mib as usize).saturating_mul(1 << 20)];
    let ms = query.number("ms", 0);
    if ms > 0 {
        monotonic_clock::subscribe_duration(ms.saturating_mul(1_000_000)).block();
    }
    std::hint::black_box(&memory);
    answer(out, 200, &format!("ok {mib}\n"));
}
