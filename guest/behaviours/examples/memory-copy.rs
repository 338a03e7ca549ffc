//! Copies `?mib=` mebibytes, 16 by default, to and fro with `memory.copy`, forever.
//!
//! Claim: one instruction that moves much memory overshoots the deadline by no more than the memory
//! limit makes of it.

use behaviours::prelude::*;

behaviours::export!(handle);

fn handle(request: IncomingRequest, _out: ResponseOutparam) {
    let mib = query_of(&request).number("mib", 16) as usize;
    let mut here = vec![1_u8; mib << 20];
    let mut there = vec![2_u8; mib << 20];
    loop {
        there.copy_from_slice(std::hint::black_box(&here));
        here.copy_from_slice(std::hint::black_box(&there));
    }
}
