//! Answers `checked` and sends `x-checksum` after it, in a trailer.
//!
//! Claim: response trailers arrive: over HTTP/2 always, over HTTP/1.1 for a client that sends
//! `te: trailers`.

use behaviours3::prelude::*;

behaviours3::export!(handle);

const TEXT: &[u8] = b"checked\n";

async fn handle(_request: Request) -> Result<Response, ErrorCode> {
    // HTTP/1.1 wants to know beforehand (RFC 9110 §6.6.2).
    let (response, mut body, _) = open(200, &[("content-type", "text/plain"), ("trailer", "x-checksum")]);
    spawn_local(async move {
        if body.write(TEXT).await {
            let sum: u32 = TEXT.iter().map(|byte| u32::from(*byte)).sum();
            let trailers = Fields::new();
            trailers.append("x-checksum", sum.to_string().as_bytes()).expect("trailers: this one is allowed");
            body.finish(Some(trailers)).await;
        }
    });
    Ok(response)
}
