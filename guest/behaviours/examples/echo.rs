//! Streams the request body back as it comes, with its content type and its trailers.
//!
//! Claim: bodies stream both ways, and backpressure reaches from the reader of the response to the
//! sender of the request. No more than one chunk is ever in this guest.

use behaviours::body::BodyReader;
use behaviours::prelude::*;

behaviours::export!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let headers = Fields::new();
    // HTTP/1.1 sends only those trailers that the head has named (RFC 9110 §6.6.2).
    for name in ["content-type", "trailer"] {
        let values = request.headers().get(name);
        // Where the host keeps one to itself, the rest is an echo all the same.
        let _ = headers.set(name, &values);
    }
    let body = request.consume().expect("body: a request has one body");
    let mut incoming = BodyReader::new(body);
    let mut outgoing = OpenResponse::send(out, OutgoingResponse::new(headers));

    for chunk in incoming.by_ref() {
        // To return is to drop the response, so the client sees that it is cut off.
        let Ok(chunk) = chunk else { return };
        if !outgoing.write(&chunk) {
            return;
        }
    }
    if let Ok(trailers) = incoming.trailers() {
        outgoing.finish(trailers);
    }
}
