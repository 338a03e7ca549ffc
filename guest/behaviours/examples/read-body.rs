//! Reads the whole request body and answers `read N bytes`, or `error after N bytes: ERROR` where
//! it breaks.
//!
//! Claim: a guest is told about a body that ends early, is too large or too slow, and its slot is
//! given back.

use behaviours::body::BodyReader;
use behaviours::prelude::*;

behaviours::export!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let body = request.consume().expect("body: a request has one body");
    let mut bytes = 0_usize;
    for chunk in BodyReader::new(body) {
        match chunk {
            Ok(chunk) => bytes += chunk.len(),
            Err(error) => {
                let text = format!("error after {bytes} bytes: {error}\n");
                return answer(out, 200, &text);
            }
        }
    }
    answer(out, 200, &format!("read {bytes} bytes\n"));
}
