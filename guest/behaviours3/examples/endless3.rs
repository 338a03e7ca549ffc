//! Streams 64 KiB after the other without end, and counts nothing.
//!
//! Claim: a response has limits, waits for its client, and a client can go.

use behaviours3::prelude::*;

behaviours3::export!(handle);

async fn handle(_request: Request) -> Result<Response, ErrorCode> {
    let (response, mut body, _) = open(200, &[("content-type", "application/octet-stream")]);
    spawn_local(async move { while body.write(vec![b'x'; 64 * 1024]).await {} });
    Ok(response)
}
