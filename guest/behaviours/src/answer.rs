//! Answering: a whole text at once, or a head with a stream to write to.

use std::io::Write as _;

use wasip2::http::types::{Fields, OutgoingBody, OutgoingResponse, ResponseOutparam, Trailers};
use wasip2::io::streams::OutputStream;

/// Answers with `text` as plain text, whole and with its length.
///
/// An error means that the client, or the host's patience, is gone; nobody is left to tell.
pub fn answer(out: ResponseOutparam, status: u16, text: &str) {
    let length = text.len().to_string();
    let headers = [("content-type", "text/plain; charset=utf-8"), ("content-length", &length)];
    let mut response = open(out, status, &headers);
    if response.write(text.as_bytes()) {
        response.finish(None);
    }
}

/// Sends a head, and returns the body that is to follow.
///
/// # Panics
///
/// Where a status or header is not allowed: behaviours that want to send such go their own way.
pub fn open(out: ResponseOutparam, status: u16, headers: &[(&str, &str)]) -> OpenResponse {
    let fields = Fields::new();
    for (name, value) in headers {
        fields.append(name, value.as_bytes()).expect("headers: the host refuses this one");
    }
    let response = OutgoingResponse::new(fields);
    response.set_status_code(status).expect("status: the host refuses it");
    OpenResponse::send(out, response)
}

/// A response of which the head is sent. Dropped without [`OpenResponse::finish`], it is cut off.
pub struct OpenResponse {
    // Before the body: a stream has to be dropped before the body it belongs to.
    stream: OutputStream,
    body: OutgoingBody,
}

impl OpenResponse {
    /// Sends the head of `response`.
    ///
    /// # Panics
    ///
    /// Where the body of `response` was taken before.
    pub fn send(out: ResponseOutparam, response: OutgoingResponse) -> Self {
        let body = response.body().expect("body: a response has one body");
        ResponseOutparam::set(out, Ok(response));
        let stream = body.write().expect("stream: a body has one stream");
        Self { stream, body }
    }

    /// Writes all of `bytes` and waits until the host has taken them. False where it no longer
    /// wants any: the client is gone.
    pub fn write(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok() && self.stream.flush().is_ok()
    }

    /// Ends the body. False where the host finds it shorter or longer than was declared.
    pub fn finish(self, trailers: Option<Trailers>) -> bool {
        let Self { stream, body } = self;
        drop(stream);
        OutgoingBody::finish(body, trailers).is_ok()
    }
}
