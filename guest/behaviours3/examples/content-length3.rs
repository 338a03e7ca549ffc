//! Declares `?declared=` bytes (100) and writes `?written=` (10).
//!
//! Claim: a short response is seen to be one, and a long one ends where it said.

use behaviours3::prelude::*;

behaviours3::export!(handle);

async fn handle(request: Request) -> Result<Response, ErrorCode> {
    let query = query_of(&request);
    let declared = query.number("declared", 100).to_string();
    let written = usize::try_from(query.number("written", 10)).unwrap_or_default();
    let (response, mut body, _) = open(200, &[("content-length", declared.as_str())]);
    spawn_local(async move {
        body.write(vec![b'x'; written]).await;
        body.finish(None).await;
    });
    Ok(response)
}
