//! Sends one server-sent event every `?ms=` milliseconds, 100 by default, until there were `?n=`,
//! 10 by default and without end for 0.
//!
//! Claim: a slow stream arrives event by event, costs little between two, and has limits of its own.

use behaviours3::prelude::*;
use behaviours3::wasip3::clocks::monotonic_clock;

behaviours3::export!(handle);

async fn handle(request: Request) -> Result<Response, ErrorCode> {
    let query = query_of(&request);
    let pause = query.number("ms", 100).saturating_mul(1_000_000);
    let events = match query.number("n", 10) {
        0 => u64::MAX,
        n => n,
    };
    let headers = [("content-type", "text/event-stream"), ("cache-control", "no-store")];
    let (response, mut body, _) = open(200, &headers);
    spawn_local(async move {
        for event in 1..=events {
            if !body.write(format!("id: {event}\ndata: tick {event}\n\n")).await {
                return;
            }
            monotonic_clock::wait_for(pause).await;
        }
        body.finish(None).await;
    });
    Ok(response)
}
