//! Starts `?n=` requests, 1,000 by default, to `?url=` at the same time, and waits for all. Answers
//! `answered N`, then a line `error COUNT CODE` for every kind of failure.
//!
//! Claim: the connections of a request and of a handler are bounded; beyond the bound a guest gets
//! an error.

use std::collections::BTreeMap;

use behaviours::outgoing;
use behaviours::prelude::*;
use behaviours::wasip2::http::types::RequestOptions;

behaviours::export!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let query = query_of(&request);
    let url = query.get("url").unwrap_or_default();
    let started: Vec<_> =
        (0..query.number("n", 1000)).map(|_| outgoing::start(url, RequestOptions::new())).collect();

    let mut answered = Vec::new();
    let mut errors = BTreeMap::<String, usize>::new();
    for response in started {
        match response.and_then(outgoing::wait) {
            // Kept, and with it its connection.
            Ok(response) => answered.push(response),
            Err(error) => *errors.entry(error).or_default() += 1,
        }
    }
    let mut text = format!("answered {}\n", answered.len());
    for (error, count) in errors {
        text.push_str(&format!("error {count} {error}\n"));
    }
    answer(out, 200, &text);
}
