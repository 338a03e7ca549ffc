//! Behaves by its path: `/spin` loops, `/sleep` sleeps for good, `/wait` answers `waited` after `?ms=`
//! milliseconds (100), `/trap` traps, `/work` computes `?turns=` turns (1000) and answers `worked`, `/drip`
//! sends `?n=` dots (10), one every `?ms=` milliseconds (100), `/after` answers `done` and sleeps for `?ms=`
//! milliseconds, `/linger` does the same and then loops, `/grow` takes `?mib=` mebibytes (1) for good, `/count` answers how many requests this instance
//! has seen, and every other path answers `hello`.
//!
//! Claim: requests that share an instance end each for its own reason, or with `instance_lost`.

use std::sync::atomic::{AtomicU64, Ordering};

use behaviours3::prelude::*;
use behaviours3::wasip3::clocks::monotonic_clock;

behaviours3::export!(handle);

/// Counts every request, also those that end badly.
static REQUESTS: AtomicU64 = AtomicU64::new(0);

async fn handle(request: Request) -> Result<Response, ErrorCode> {
    let count = REQUESTS.fetch_add(1, Ordering::Relaxed) + 1;
    let target = request.get_path_with_query().unwrap_or_default();
    let query = query_of(&request);
    let pause = query.number("ms", 100).saturating_mul(1_000_000);
    let text = match target.split('?').next().unwrap_or_default() {
        "/spin" => spin(),
        "/sleep" => {
            monotonic_clock::wait_for(u64::MAX / 2).await;
            "woke\n".to_owned()
        }
        "/wait" => {
            monotonic_clock::wait_for(pause).await;
            "waited\n".to_owned()
        }
        "/trap" => core::arch::wasm32::unreachable(),
        "/work" => {
            work(query.number("turns", 1000));
            "worked\n".to_owned()
        }
        "/drip" => return Ok(drip(query.number("n", 10), pause)),
        "/after" => {
            spawn_local(monotonic_clock::wait_for(pause));
            "done\n".to_owned()
        }
        "/linger" => {
            spawn_local(async move {
                monotonic_clock::wait_for(pause).await;
                spin();
            });
            "done\n".to_owned()
        }
        "/grow" => {
            core::arch::wasm32::memory_grow::<0>(query.number("mib", 1) as usize * 16);
            "grown\n".to_owned()
        }
        "/count" => format!("{count}\n"),
        _ => "hello\n".to_owned(),
    };
    Ok(answer(200, text))
}

fn spin() -> ! {
    let mut turns = 0_u64;
    loop {
        // Without something to keep, the optimizer may make the loop a trap.
        turns = std::hint::black_box(turns.wrapping_add(1));
    }
}

/// The same work for the same number, however long it takes.
fn work(turns: u64) {
    let mut value = turns;
    for _ in 0..turns {
        value = std::hint::black_box(value.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    }
}

fn drip(dots: u64, pause: u64) -> Response {
    let (response, mut body, _) = open(200, &[("content-type", "text/plain")]);
    spawn_local(async move {
        for _ in 0..dots {
            if !body.write(".").await {
                return;
            }
            monotonic_clock::wait_for(pause).await;
        }
        body.finish(None).await;
    });
    response
}
