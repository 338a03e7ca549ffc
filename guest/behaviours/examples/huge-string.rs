//! Hands the host one string of `?mib=` mebibytes, 64 by default, or of as much as its memory
//! permits. Answers `accepted N` or `refused N`, with the bytes, where the host lets it.
//!
//! Claim: what one call makes the host copy is bounded, whatever the guest's memory is.

use behaviours::prelude::*;
use behaviours::wasip2::http::types::OutgoingRequest;

behaviours::export!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let mib = query_of(&request).number("mib", 64) as usize;
    let path = longest_path(mib.saturating_mul(1 << 20));
    let outgoing = OutgoingRequest::new(Fields::new());
    let verdict = match outgoing.set_path_with_query(Some(&path)) {
        Ok(()) => "accepted",
        Err(()) => "refused",
    };
    answer(out, 200, &format!("{verdict} {}\n", path.len()));
}

/// A path of `bytes`, or of the largest part of it, halving, that there is memory for.
fn longest_path(bytes: usize) -> String {
    let mut path = String::new();
    let mut length = bytes;
    while path.try_reserve_exact(length).is_err() {
        length /= 2;
    }
    path.push('/');
    path.extend(std::iter::repeat_n('a', length.saturating_sub(1)));
    path
}
