//! Makes `?kind=fields`, `futures` or `streams` and keeps them; `?count=` stops it and answers `made N`.
//!
//! Claim: handles are bounded, also those that the host makes nothing for.

use behaviours3::prelude::*;

behaviours3::export!(handle);

async fn handle(request: Request) -> Result<Response, ErrorCode> {
    let query = query_of(&request);
    let count = query.number("count", u64::MAX);
    for _ in 0..count {
        match query.get("kind") {
            Some("futures") => std::mem::forget(wit_future::new::<Result<(), ErrorCode>>(|| Ok(()))),
            Some("streams") => std::mem::forget(wit_stream::new::<u8>()),
            _ => std::mem::forget(Fields::new()),
        }
    }
    Ok(answer(200, format!("made {count}\n")))
}
