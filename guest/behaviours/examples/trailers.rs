//! Answers `checked` and sends `x-checksum` after it, in a trailer.
//!
//! Claim: response trailers arrive: over HTTP/2 always, over HTTP/1.1 for a client that sends
//! `te: trailers`.

use behaviours::prelude::*;

behaviours::export!(handle);

const TEXT: &[u8] = b"checked\n";

fn handle(_request: IncomingRequest, out: ResponseOutparam) {
    // HTTP/1.1 wants to know beforehand (RFC 9110 §6.6.2).
    let headers = [("content-type", "text/plain"), ("trailer", "x-checksum")];
    let mut response = open(out, 200, &headers);
    if response.write(TEXT) {
        let sum: u32 = TEXT.iter().map(|byte| u32::from(*byte)).sum();
        let trailers = Fields::new();
        trailers.append("x-checksum", sum.to_string().as_bytes()).expect("trailers: this one is allowed");
        response.finish(Some(trailers));
    }
}
