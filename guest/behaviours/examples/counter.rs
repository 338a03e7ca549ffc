//! Counts in a static and answers the count.
//!
//! Claim: instances are fresh for every request (the answer is 1) unless the handler asked for
//! reuse (it counts up), and never kept after a trap or a timeout.

use std::sync::atomic::{AtomicU64, Ordering};

use behaviours::prelude::*;

behaviours::export!(handle);

static COUNT: AtomicU64 = AtomicU64::new(0);

fn handle(_request: IncomingRequest, out: ResponseOutparam) {
    let count = COUNT.fetch_add(1, Ordering::Relaxed) + 1;
    answer(out, 200, &format!("{count}\n"));
}
