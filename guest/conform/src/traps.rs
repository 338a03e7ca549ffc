//! What the interface says traps: a parent that goes before its child, and a write without a permit.

use behaviours::wasip2::http::types::{Fields, IncomingBody, OutgoingBody, OutgoingResponse};
use behaviours::wasip2::io::streams::InputStream;

use crate::call::Call;

pub(crate) const NAMES: &[&str] = &[
    "request-body-dropped-before-its-stream",
    "request-body-finished-before-its-stream",
    "body-dropped-before-its-stream",
    "body-finished-before-its-stream",
    "write-beyond-the-permit",
    "write-zeroes-beyond-the-permit",
];

/// Does what traps; it returns where there is nothing of this name, or where it did not trap.
pub(crate) fn run(name: &str, call: &Call) -> Option<()> {
    match name {
        "request-body-dropped-before-its-stream" => {
            let (body, stream) = incoming(call);
            drop(body);
            drop(stream);
        }
        "request-body-finished-before-its-stream" => {
            let (body, stream) = incoming(call);
            let trailers = IncomingBody::finish(body);
            drop((stream, trailers));
        }
        "body-dropped-before-its-stream" => {
            let response = OutgoingResponse::new(Fields::new());
            let body = response.body().expect("body: the first");
            let stream = body.write().expect("stream: the first");
            drop(body);
            drop(stream);
        }
        "body-finished-before-its-stream" => {
            let response = OutgoingResponse::new(Fields::new());
            let body = response.body().expect("body: the first");
            let stream = body.write().expect("stream: the first");
            let finished = OutgoingBody::finish(body, None);
            drop((stream, finished));
        }
        "write-beyond-the-permit" => {
            let response = OutgoingResponse::new(Fields::new());
            let body = response.body().expect("body: the first");
            let stream = body.write().expect("stream: the first");
            let permit = stream.check_write().expect("permit: the stream is open");
            let beyond = usize::try_from(permit).expect("permit: less than the memory") + 1;
            let _ = stream.write(&vec![7; beyond]);
        }
        "write-zeroes-beyond-the-permit" => {
            let response = OutgoingResponse::new(Fields::new());
            let body = response.body().expect("body: the first");
            let stream = body.write().expect("stream: the first");
            let permit = stream.check_write().expect("permit: the stream is open");
            let _ = stream.write_zeroes(permit + 1);
        }
        _ => return None,
    }
    Some(())
}

fn incoming(call: &Call) -> (IncomingBody, InputStream) {
    let body = call.request.consume().expect("body: the first");
    let stream = body.stream().expect("stream: the first");
    (body, stream)
}
