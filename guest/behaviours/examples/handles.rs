//! Makes resources in the host and keeps them, without end: `?kind=fields` (the default) or
//! `?kind=pollables`.
//!
//! Claim: the table of a guest's handles is bounded, and what is in it goes with the guest.

use behaviours::prelude::*;
use behaviours::wasip2::clocks::monotonic_clock;

behaviours::export!(handle);

fn handle(request: IncomingRequest, _out: ResponseOutparam) {
    let pollables = query_of(&request).get("kind") == Some("pollables");
    loop {
        if pollables {
            std::mem::forget(monotonic_clock::subscribe_duration(u64::MAX / 2));
        } else {
            std::mem::forget(Fields::new());
        }
    }
}
