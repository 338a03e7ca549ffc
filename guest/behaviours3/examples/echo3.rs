//! Streams the request body back as it comes, with its content type and its trailers. With `?pass` it
//! hands the body over as it is.
//!
//! Claim: bodies stream both ways, and backpressure reaches from the reader of the response to the
//! sender of the request.

use behaviours3::prelude::*;
use behaviours3::wasip3::wit_bindgen::StreamResult;

behaviours3::export!(handle);

/// The most that is held at a time.
const CHUNK_BYTES_MAX: usize = 64 * 1024;

async fn handle(request: Request) -> Result<Response, ErrorCode> {
    let headers = Fields::new();
    // HTTP/1.1 sends only those trailers that the head has named (RFC 9110 §6.6.2).
    for name in ["content-type", "trailer"] {
        let values = request.get_headers().get(name);
        // Where the host keeps one to itself, the rest is an echo all the same.
        let _ = headers.set(name, &values);
    }
    let pass = query_of(&request).has("pass");
    let (_, taken) = wit_future::new(|| Ok(()));
    let (mut incoming, trailers) = Request::consume_body(request, taken);
    if pass {
        let (response, _) = Response::new(headers, Some(incoming), trailers);
        return Ok(response);
    }
    let (mut outgoing, contents) = wit_stream::new();
    let (end, echoed) = wit_future::new(|| Err(ErrorCode::HttpResponseIncomplete));
    let (response, _) = Response::new(headers, Some(contents), echoed);
    spawn_local(async move {
        let mut buffer = Vec::with_capacity(CHUNK_BYTES_MAX);
        loop {
            let (state, chunk) = incoming.read(buffer).await;
            // What is left over is what the client does not want any more.
            if !outgoing.write_all(chunk).await.is_empty() || state == StreamResult::Dropped {
                break;
            }
            buffer = Vec::with_capacity(CHUNK_BYTES_MAX);
        }
        drop(outgoing);
        let _ = end.write(trailers.await).await;
    });
    Ok(response)
}
