//! `incoming-request` and its body: what may be taken once, and what may not be changed.

use behaviours::wasip2::http::types::IncomingBody;
use behaviours::wasip2::io::streams::StreamError;

use crate::Check;
use crate::call::{Call, Outcome};
use crate::ensure;
use crate::fields::immutable;

pub(crate) const CHECKS: &[Check] = &[
    ("request-headers-are-immutable", headers_are_immutable),
    ("request-headers-cloned-are-mutable", headers_cloned_are_mutable),
    ("request-body-is-consumed-once", body_is_consumed_once),
    ("request-body-has-one-stream", body_has_one_stream),
    ("request-body-without-content-ends", body_without_content_ends),
    ("request-without-trailers-has-none", without_trailers_has_none),
    ("request-trailers-are-taken-once", trailers_are_taken_once),
    ("request-trailers-are-ready-when-polled", trailers_are_ready_when_polled),
];

fn headers_are_immutable(call: &Call) -> Outcome {
    let headers = call.request.headers();
    immutable(&headers, "x-a")
}

fn headers_cloned_are_mutable(call: &Call) -> Outcome {
    let headers = call.request.headers();
    let copy = headers.clone();
    copy.append("x-a", b"1").map_err(|error| format!("append: {error:?}"))?;
    ensure!(copy.entries().len() == headers.entries().len() + 1, "{:?}", copy.entries());
    Ok(())
}

fn body_is_consumed_once(call: &Call) -> Outcome {
    let first = call.request.consume();
    ensure!(first.is_ok(), "the first call: an error");
    ensure!(call.request.consume().is_err(), "the second call: success");
    drop(first);
    ensure!(call.request.consume().is_err(), "a call after the body is gone: success");
    Ok(())
}

fn body(call: &Call) -> Result<IncomingBody, String> {
    call.request.consume().map_err(|()| "consume: an error".to_owned())
}

fn body_has_one_stream(call: &Call) -> Outcome {
    let body = body(call)?;
    let first = body.stream();
    ensure!(first.is_ok(), "the first call: an error");
    ensure!(body.stream().is_err(), "the second call: success");
    drop(first);
    ensure!(body.stream().is_err(), "a call after the stream is gone: success");
    Ok(())
}

fn body_without_content_ends(call: &Call) -> Outcome {
    let body = body(call)?;
    let stream = body.stream().map_err(|()| "stream: an error")?;
    let read = stream.blocking_read(1);
    ensure!(matches!(read, Err(StreamError::Closed)), "{read:?}");
    let again = stream.read(1);
    ensure!(matches!(again, Err(StreamError::Closed)), "again: {again:?}");
    Ok(())
}

fn without_trailers_has_none(call: &Call) -> Outcome {
    let trailers = IncomingBody::finish(body(call)?);
    trailers.subscribe().block();
    match trailers.get() {
        Some(Ok(Ok(None))) => Ok(()),
        Some(Ok(Ok(Some(fields)))) if fields.entries().is_empty() => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

fn trailers_are_taken_once(call: &Call) -> Outcome {
    let trailers = IncomingBody::finish(body(call)?);
    trailers.subscribe().block();
    let first = trailers.get();
    ensure!(matches!(first, Some(Ok(Ok(_)))), "the first call: {first:?}");
    let second = trailers.get();
    ensure!(matches!(second, Some(Err(()))), "the second call: {second:?}");
    Ok(())
}

fn trailers_are_ready_when_polled(call: &Call) -> Outcome {
    let trailers = IncomingBody::finish(body(call)?);
    let pollable = trailers.subscribe();
    pollable.block();
    ensure!(pollable.ready(), "not ready after the wait");
    ensure!(trailers.get().is_some(), "none after the wait");
    Ok(())
}
