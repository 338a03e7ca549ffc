//! Sleeps for `?ms=` milliseconds, an hour by default, and then answers `slept N`.
//!
//! Claim: a guest that waits for a timer costs no CPU, is found by the wall deadline though it is
//! never polled, and answers where the deadline allows it.

use behaviours::prelude::*;
use behaviours::wasip2::clocks::monotonic_clock;

behaviours::export!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let ms = query_of(&request).number("ms", 3_600_000);
    monotonic_clock::subscribe_duration(ms.saturating_mul(1_000_000)).block();
    answer(out, 200, &format!("slept {ms}\n"));
}
