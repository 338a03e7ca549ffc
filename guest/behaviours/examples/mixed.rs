//! Behaves by its path: `/spin` loops, `/spin-poll` polls a timer that is already due, `/sleep`
//! sleeps, `/trap` traps, `/work` computes `?turns=` turns (1000 by default) and answers `worked`,
//! `/count` answers how many requests this instance has seen, and every other path answers `hello`.
//!
//! Claim: one handler's bad requests and its good ones share threads and nothing else.

use std::sync::atomic::{AtomicU64, Ordering};

use behaviours::prelude::*;
use behaviours::wasip2::clocks::monotonic_clock;
use behaviours::wasip2::io::poll;

behaviours::export!(handle);

/// Counts every request, also those that end badly.
static REQUESTS: AtomicU64 = AtomicU64::new(0);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let count = REQUESTS.fetch_add(1, Ordering::Relaxed) + 1;
    let target = request.path_with_query().unwrap_or_default();
    match target.split('?').next().unwrap_or_default() {
        "/spin" => spin(),
        "/spin-poll" => spin_poll(),
        "/sleep" => monotonic_clock::subscribe_duration(u64::MAX / 2).block(),
        "/trap" => core::arch::wasm32::unreachable(),
        "/work" => {
            work(query_of(&request).number("turns", 1000));
            answer(out, 200, "worked\n");
        }
        "/count" => answer(out, 200, &format!("{count}\n")),
        _ => answer(out, 200, "hello\n"),
    }
}

fn spin() -> ! {
    let mut turns = 0_u64;
    loop {
        // Without something to keep, the optimizer may make the loop a trap.
        turns = std::hint::black_box(turns.wrapping_add(1));
    }
}

/// The same work for the same number, however long it takes: unlike time that goes by, it is not done
/// sooner for having waited.
fn work(turns: u64) {
    let mut value = turns;
    for _ in 0..turns {
        value = std::hint::black_box(value.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    }
}

fn spin_poll() -> ! {
    loop {
        let due = monotonic_clock::subscribe_duration(0);
        std::hint::black_box(poll::poll(&[&due]));
    }
}
