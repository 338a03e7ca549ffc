//! Works until `?ms=` milliseconds, 100 by default, have gone by on the monotonic clock, and answers
//! `burned N`. On a core of its own that is the CPU time it uses.
//!
//! Claim: CPU time is metered for what it is, honest heavy handlers go on beside runaways, and both
//! sides of a CPU limit are where they should be.

use behaviours::prelude::*;
use behaviours::wasip2::clocks::monotonic_clock;

behaviours::export!(handle);

/// Some tens of microseconds of work between two looks at the clock.
const TURNS_PER_LOOK: u64 = 20_000;

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let ms = query_of(&request).number("ms", 100);
    let start = monotonic_clock::now();
    let mut value = start;
    while monotonic_clock::now() - start < ms.saturating_mul(1_000_000) {
        for _ in 0..TURNS_PER_LOOK {
            value = std::hint::black_box(value.wrapping_mul(6_364_136_223_846_793_005) + 1);
        }
    }
    answer(out, 200, &format!("burned {ms}\n"));
}
