//! Sends one server-sent event every `?ms=` milliseconds, 100 by default, until there were `?n=`,
//! 10 by default and without end for 0.
//!
//! Claim: a slow stream arrives event by event, costs little between two, and has limits of its own.

use behaviours::prelude::*;
use behaviours::wasip2::clocks::monotonic_clock;

behaviours::export!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let query = query_of(&request);
    let pause = query.number("ms", 100).saturating_mul(1_000_000);
    let events = match query.number("n", 10) {
        0 => u64::MAX,
        n => n,
    };
    let headers = [("content-type", "text/event-stream"), ("cache-control", "no-store")];
    let mut response = open(out, 200, &headers);
    for event in 1..=events {
        let text = format!("id: {event}\ndata: tick {event}\n\n");
        if !response.write(text.as_bytes()) {
            return;
        }
        monotonic_clock::subscribe_duration(pause).block();
    }
    response.finish(None);
}
