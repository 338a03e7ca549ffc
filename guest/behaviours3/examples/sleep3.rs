//! Sleeps for `?ms=` milliseconds, an hour by default, and then answers `slept N`. With `?forever` it waits
//! for what nobody will ever say.
//!
//! Claim: a guest that waits costs no CPU, is found by the wall deadline though it is never polled, and
//! answers where the deadline allows it.

use behaviours3::prelude::*;
use behaviours3::wasip3::clocks::monotonic_clock;

behaviours3::export!(handle);

async fn handle(request: Request) -> Result<Response, ErrorCode> {
    let query = query_of(&request);
    if query.has("forever") {
        let (writer, words) = wit_stream::new::<u8>();
        std::mem::forget(writer);
        words.collect().await;
    }
    let ms = query.number("ms", 3_600_000);
    monotonic_clock::wait_for(ms.saturating_mul(1_000_000)).await;
    Ok(answer(200, format!("slept {ms}\n")))
}
