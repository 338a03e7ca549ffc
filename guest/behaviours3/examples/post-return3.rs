//! Sends a whole response and then loops forever, with `?sleep` sleeps, or with `?print` waits for its
//! response to be sent and prints what became of it.
//!
//! Claim: the client has its answer at once, and work after the response is bounded.

use behaviours3::prelude::*;
use behaviours3::wasip3::clocks::monotonic_clock;

behaviours3::export!(handle);

async fn handle(request: Request) -> Result<Response, ErrorCode> {
    let query = query_of(&request);
    let (response, mut body, sent) = open(200, &[("content-type", "text/plain"), ("content-length", "5")]);
    spawn_local(async move {
        body.write("done\n").await;
        body.finish(None).await;
        if query.has("print") {
            println!("transmission: {:?}", sent.await);
            return;
        }
        if query.has("sleep") {
            monotonic_clock::wait_for(u64::MAX / 2).await;
        }
        let mut turns = 0_u64;
        loop {
            turns = std::hint::black_box(turns.wrapping_add(1));
        }
    });
    Ok(response)
}
