//! Fetches `?url=http://host:port/path` and answers `status N` and the body, or `error CODE`.
//! `&connect_ms=`, `&first_byte_ms=` and `&between_ms=` set the timeouts of the request.
//!
//! Claim: a handler reaches what it was granted and nothing else, and a slow or broken server costs
//! it an error, not the host.

use behaviours::body::BodyReader;
use behaviours::outgoing;
use behaviours::prelude::*;
use behaviours::wasip2::http::types::{IncomingResponse, RequestOptions};

behaviours::export!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let query = query_of(&request);
    let response =
        outgoing::start(query.get("url").unwrap_or_default(), options(&query)).and_then(outgoing::wait);
    match response {
        Ok(response) => pass_on(response, out),
        Err(error) => answer(out, 200, &format!("error {error}\n")),
    }
}

fn options(query: &Query) -> RequestOptions {
    let nanoseconds = |name| {
        let ms = query.has(name).then(|| query.number(name, 0))?;
        Some(ms.saturating_mul(1_000_000))
    };
    let options = RequestOptions::new();
    let set = [
        options.set_connect_timeout(nanoseconds("connect_ms")),
        options.set_first_byte_timeout(nanoseconds("first_byte_ms")),
        options.set_between_bytes_timeout(nanoseconds("between_ms")),
    ];
    assert!(set.iter().all(Result::is_ok), "options: the host supports all three");
    options
}

/// Streams what was fetched. An error that comes late is the last line.
fn pass_on(response: IncomingResponse, out: ResponseOutparam) {
    let mut answer = open(out, 200, &[("content-type", "text/plain")]);
    let status = format!("status {}\n", response.status());
    if !answer.write(status.as_bytes()) {
        return;
    }
    let body = response.consume().expect("body: a response has one body");
    for chunk in BodyReader::new(body) {
        let chunk = chunk.unwrap_or_else(|error| format!("\nerror {error}\n").into_bytes());
        if !answer.write(&chunk) {
            return;
        }
    }
    answer.finish(None);
}
