//! Sends its head and `partial`, and then sleeps for as long as it may.
//!
//! Claim: the deadline also holds after the head for a guest that is never polled.

use behaviours::prelude::*;
use behaviours::wasip2::clocks::monotonic_clock;

behaviours::export!(handle);

fn handle(_request: IncomingRequest, out: ResponseOutparam) {
    let mut response = open(out, 200, &[("content-type", "text/plain")]);
    response.write(b"partial\n");
    monotonic_clock::subscribe_duration(u64::MAX / 2).block();
}
