//! Declares a response of 100 bytes and writes 10.
//!
//! Claim: a response that ends early is cut off for the client to see, never passed off as whole.

use behaviours::prelude::*;

behaviours::export!(handle);

fn handle(_request: IncomingRequest, out: ResponseOutparam) {
    let mut response = open(out, 200, &[("content-length", "100")]);
    if response.write(&[b'a'; 10]) {
        response.finish(None);
    }
}
