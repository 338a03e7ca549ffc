//! Sends its head and `partial`, and then loops forever.
//!
//! Claim: the deadline also holds after the head: the client sees the response cut off.

use behaviours::prelude::*;

behaviours::export!(handle);

fn handle(_request: IncomingRequest, out: ResponseOutparam) {
    let mut response = open(out, 200, &[("content-type", "text/plain")]);
    response.write(b"partial\n");
    let mut turns = 0_u64;
    loop {
        turns = std::hint::black_box(turns.wrapping_add(1));
    }
}
