//! Declares a response of 10 bytes and writes 100.
//!
//! Claim: what a guest writes beyond its own length reaches no client, and never the next response.

use behaviours::prelude::*;

behaviours::export!(handle);

fn handle(_request: IncomingRequest, out: ResponseOutparam) {
    let mut response = open(out, 200, &[("content-length", "10")]);
    if response.write(&[b'a'; 100]) {
        response.finish(None);
    }
}
