//! Exits with status 3 before any response is set.
//!
//! Claim: `exit` ends the request as `guest_trap`, and not the process of the host.

use behaviours::prelude::*;
use behaviours::wasip2::cli::exit;

behaviours::export!(handle);

fn handle(_request: IncomingRequest, _out: ResponseOutparam) {
    exit::exit_with_code(3);
    unreachable!("exit does not return");
}
