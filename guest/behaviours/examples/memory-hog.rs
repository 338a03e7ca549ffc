//! Takes memory, a mebibyte at a time and touching all of it, until there is no more.
//!
//! Claim: a guest gets no more than its limit, and its failure is a `memory_limit`, not the host's.

use behaviours::prelude::*;

behaviours::export!(handle);

fn handle(_request: IncomingRequest, _out: ResponseOutparam) {
    let mut blocks = Vec::new();
    loop {
        // Rust makes a refused growth an abort, and wasm makes that a trap.
        blocks.push(std::hint::black_box(vec![1_u8; 1 << 20]));
    }
}
