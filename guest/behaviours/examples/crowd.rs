//! Serves many clients by its path: `/events` sends an event every `?ms=` milliseconds (1000 by default)
//! without end, `/sleep` sleeps for `?ms=` (10) and answers `slept`, `/work` computes `?turns=` turns
//! (1000) and answers `worked`, `/read` reads its body and answers `read`, `/endless` streams without
//! end, and every other path answers `hello`.
//!
//! Claim: those who come in numbers, send slowly or read slowly take nothing from the others.

use behaviours::body::BodyReader;
use behaviours::prelude::*;
use behaviours::wasip2::clocks::monotonic_clock;

behaviours::export!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let target = request.path_with_query().unwrap_or_default();
    let query = query_of(&request);
    match target.split('?').next().unwrap_or_default() {
        "/events" => events(out, query.number("ms", 1000)),
        "/sleep" => {
            sleep(query.number("ms", 10));
            answer(out, 200, "slept\n");
        }
        "/work" => {
            work(query.number("turns", 1000));
            answer(out, 200, "worked\n");
        }
        "/read" => read(request, out),
        "/endless" => {
            let mut response = open(out, 200, &[("content-type", "application/octet-stream")]);
            while response.write(&[b'.'; 16 * 1024]) {}
        }
        _ => answer(out, 200, "hello\n"),
    }
}

fn events(out: ResponseOutparam, pause_ms: u64) {
    let headers = [("content-type", "text/event-stream"), ("cache-control", "no-store")];
    let mut response = open(out, 200, &headers);
    while response.write(b"data: tick\n\n") {
        sleep(pause_ms);
    }
}

fn sleep(ms: u64) {
    monotonic_clock::subscribe_duration(ms.saturating_mul(1_000_000)).block();
}

/// The same work for the same number, however long it takes.
fn work(turns: u64) {
    let mut value = turns;
    for _ in 0..turns {
        value = std::hint::black_box(value.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    }
}

fn read(request: IncomingRequest, out: ResponseOutparam) {
    let body = request.consume().expect("body: a request has one body");
    // What breaks it is told by the host's answer, not by this one.
    let whole = BodyReader::new(body).all(|chunk| chunk.is_ok());
    answer(out, 200, if whole { "read\n" } else { "broken\n" });
}
