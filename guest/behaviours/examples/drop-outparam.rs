//! Drops the response-outparam at once, and then loops forever.
//!
//! Claim: a guest that can no longer answer is answered for, at the latest at its deadline, and
//! does not stay.

use behaviours::prelude::*;

behaviours::export!(handle);

fn handle(_request: IncomingRequest, out: ResponseOutparam) {
    drop(out);
    let mut turns = 0_u64;
    loop {
        turns = std::hint::black_box(turns.wrapping_add(1));
    }
}
