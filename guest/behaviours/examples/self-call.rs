//! Sends the request it got to where it came from, and answers `inner STATUS` with, below it, what it
//! was answered, or `error CODE`: a line for every depth.
//!
//! Claim: a handler that calls itself ends at the host's depth limit, not with its memory.

use behaviours::body::BodyReader;
use behaviours::outgoing;
use behaviours::prelude::*;
use behaviours::wasip2::http::types::{IncomingResponse, RequestOptions};

behaviours::export!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let authority = request.authority().unwrap_or_default();
    let path = request.path_with_query().unwrap_or_default();
    let url = format!("http://{authority}{path}");
    let inner = outgoing::start(&url, RequestOptions::new()).and_then(outgoing::wait).and_then(read);
    let text = inner.unwrap_or_else(|error| format!("error {error}\n"));
    answer(out, 200, &text);
}

fn read(response: IncomingResponse) -> Result<String, String> {
    let mut text = format!("inner {}\n", response.status());
    let body = response.consume().expect("body: a response has one body");
    for chunk in BodyReader::new(body) {
        text.push_str(&String::from_utf8_lossy(&chunk?));
    }
    Ok(text)
}
