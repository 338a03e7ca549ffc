//! Streams a response without end, as fast as it is read.
//!
//! Claim: a response is cut off at its limit of bytes or time; a client that stops reading stops
//! the guest; a client that goes ends it.

use behaviours::prelude::*;

behaviours::export!(handle);

fn handle(_request: IncomingRequest, out: ResponseOutparam) {
    let mut response = open(out, 200, &[("content-type", "application/octet-stream")]);
    let chunk = [b'.'; 16 * 1024];
    while response.write(&chunk) {}
}
