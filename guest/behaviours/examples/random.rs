//! Asks for `?n=` random bytes in one call, 4 GiB by default, and answers `got N`.
//!
//! Claim: the host makes no more random bytes at a time than it has a limit for.

use behaviours::prelude::*;
use behaviours::wasip2::random::random;

behaviours::export!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let n = query_of(&request).number("n", u64::from(u32::MAX));
    let bytes = random::get_random_bytes(n);
    answer(out, 200, &format!("got {}\n", bytes.len()));
}
