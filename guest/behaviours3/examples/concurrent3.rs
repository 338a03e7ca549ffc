//! Sleeps `?n=` times (10) for `?ms=` milliseconds (100), all at once, and answers `woke N` once the last
//! one has woken up.
//!
//! Claim: the tasks of a guest run beside each other, so that they take the time of one.

use std::cell::Cell;
use std::rc::Rc;

use behaviours3::prelude::*;
use behaviours3::wasip3::clocks::monotonic_clock;

behaviours3::export!(handle);

async fn handle(request: Request) -> Result<Response, ErrorCode> {
    let query = query_of(&request);
    let pause = query.number("ms", 100).saturating_mul(1_000_000);
    let awake = Rc::new(Cell::new(0_u64));
    let ends: Vec<_> = (0..query.number("n", 10))
        .map(|_| {
            let (mut end, woken) = wit_stream::new::<u8>();
            let awake = awake.clone();
            spawn_local(async move {
                monotonic_clock::wait_for(pause).await;
                awake.set(awake.get() + 1);
                end.write_all(vec![1]).await;
            });
            woken
        })
        .collect();
    for woken in ends {
        woken.collect().await;
    }
    Ok(answer(200, format!("woke {}\n", awake.get())))
}
