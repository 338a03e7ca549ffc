//! Writes half of its response, forgets the rest and is done.
//!
//! Claim: a body that nobody can finish any more is cut at once, and never looks whole. Its trailers were
//! said before, so nothing but the end of its stream is missing.

use behaviours3::prelude::*;

behaviours3::export!(handle);

async fn handle(_request: Request) -> Result<Response, ErrorCode> {
    let (mut body, contents) = wit_stream::new();
    let (_, trailers) = wit_future::new(|| Ok(None));
    let (response, _) = Response::new(Fields::new(), Some(contents), trailers);
    spawn_local(async move {
        body.write_all(b"half\n".to_vec()).await;
        std::mem::forget(body);
    });
    Ok(response)
}
