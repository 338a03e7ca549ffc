//! Polls forever for a timer that is already due.
//!
//! Claim: a wait that never has to wait is no way round the deadline, and its executor thread goes
//! on serving others.

use behaviours::prelude::*;
use behaviours::wasip2::clocks::monotonic_clock;
use behaviours::wasip2::io::poll;

behaviours::export!(handle);

fn handle(_request: IncomingRequest, _out: ResponseOutparam) {
    loop {
        let due = monotonic_clock::subscribe_duration(0);
        std::hint::black_box(poll::poll(&[&due]));
    }
}
