//! Tries to set headers that belong to the connection, in a response and in an outgoing request.
//! Answers, for each, `response NAME refused ERROR` or `response NAME accepted`, then the same for
//! `request`; the accepted ones are in its own headers.
//!
//! Claim: framing, upgrades and the connection are the host's alone.

use behaviours::prelude::*;
use behaviours::wasip2::http::types::OutgoingRequest;

behaviours::export!(handle);

const FIELDS: [(&str, &str); 11] = [
    ("connection", "close"),
    ("keep-alive", "timeout=600"),
    ("transfer-encoding", "chunked"),
    ("upgrade", "websocket"),
    ("host", "elsewhere.example"),
    ("proxy-connection", "close"),
    ("proxy-authenticate", "Basic"),
    ("proxy-authorization", "Basic YTpi"),
    ("http2-settings", "AAMAAABk"),
    ("te", "trailers"),
    ("trailer", "x-checksum"),
];

fn handle(_request: IncomingRequest, out: ResponseOutparam) {
    let of_response = Fields::new();
    let of_request = Fields::new();
    let mut text = attempt("response", &of_response);
    text.push_str(&attempt("request", &of_request));
    drop(OutgoingRequest::new(of_request));
    let mut response = OpenResponse::send(out, OutgoingResponse::new(of_response));
    if response.write(text.as_bytes()) {
        response.finish(None);
    }
}

fn attempt(place: &str, fields: &Fields) -> String {
    FIELDS
        .iter()
        .map(|(name, value)| match fields.append(name, value.as_bytes()) {
            Ok(()) => format!("{place} {name} accepted\n"),
            Err(error) => format!("{place} {name} refused {error:?}\n"),
        })
        .collect()
}
