//! Sends a whole response and then loops forever or, with `?sleep`, sleeps.
//!
//! Claim: the client has its answer at once, and work after the response is bounded.

use behaviours::prelude::*;
use behaviours::wasip2::clocks::monotonic_clock;

behaviours::export!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let sleep = query_of(&request).has("sleep");
    answer(out, 200, "done\n");
    if sleep {
        monotonic_clock::subscribe_duration(u64::MAX / 2).block();
    }
    let mut turns = 0_u64;
    loop {
        turns = std::hint::black_box(turns.wrapping_add(1));
    }
}
