//! Answers `ok` at once and never looks at the request body.
//!
//! Claim: the response stands, and a body that nobody reads costs no memory and holds nothing up.

use behaviours::prelude::*;

behaviours::export!(handle);

fn handle(_request: IncomingRequest, out: ResponseOutparam) {
    answer(out, 200, "ok\n");
}
