//! Waits for a timer that is due in 292 years.
//!
//! Claim: a guest that nothing will ever wake is found by the wall deadline.

use behaviours::prelude::*;
use behaviours::wasip2::clocks::monotonic_clock;

behaviours::export!(handle);

fn handle(_request: IncomingRequest, _out: ResponseOutparam) {
    monotonic_clock::subscribe_duration(u64::MAX / 2).block();
}
