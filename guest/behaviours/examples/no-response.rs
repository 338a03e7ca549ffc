//! Returns without a response: it drops the response-outparam or, with `?forget`, keeps it.
//!
//! Claim: either way the client is told `guest_no_response`, and does not wait.

use behaviours::prelude::*;

behaviours::export!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    if query_of(&request).has("forget") {
        std::mem::forget(out);
    }
}
