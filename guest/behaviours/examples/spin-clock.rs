//! Loops forever round a cheap host call: what time is it?
//!
//! Claim: host calls that return at once do not reset or hide from the deadline.

use behaviours::prelude::*;
use behaviours::wasip2::clocks::monotonic_clock;

behaviours::export!(handle);

fn handle(_request: IncomingRequest, _out: ResponseOutparam) {
    loop {
        std::hint::black_box(monotonic_clock::now());
    }
}
