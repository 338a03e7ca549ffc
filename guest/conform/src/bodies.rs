//! `outgoing-body`: written once, and finished with the length that was declared. The bodies here belong
//! to responses that are never sent, and hold less than the host takes without a reader.

use behaviours::wasip2::http::types::{Fields, OutgoingBody, OutgoingResponse};

use crate::Check;
use crate::call::{Call, Outcome};
use crate::ensure;

pub(crate) const CHECKS: &[Check] = &[
    ("body-has-one-stream", has_one_stream),
    ("body-of-the-declared-length-finishes", of_the_declared_length_finishes),
    ("body-shorter-than-declared-fails", shorter_than_declared_fails),
    ("body-longer-than-declared-fails", longer_than_declared_fails),
    ("body-without-a-stream-finishes-empty", without_a_stream_finishes_empty),
    ("body-without-a-length-finishes", without_a_length_finishes),
];

/// A response, which has to outlive its body, with that body.
fn declaring(length: Option<&str>) -> Result<(OutgoingResponse, OutgoingBody), String> {
    let fields = Fields::new();
    if let Some(length) = length {
        fields.append("content-length", length.as_bytes()).map_err(|error| format!("{error:?}"))?;
    }
    let response = OutgoingResponse::new(fields);
    let body = response.body().map_err(|()| "body: an error")?;
    Ok((response, body))
}

/// Whether a body of `length` finishes once `written` was written, and took all of it before.
fn finishes(length: Option<&str>, written: &[u8]) -> Result<bool, String> {
    let (_response, body) = declaring(length)?;
    let stream = body.write().map_err(|()| "write: an error")?;
    let permit = stream.check_write().map_err(|error| format!("check-write: {error:?}"))?;
    ensure!(permit >= written.len() as u64, "check-write permits {permit} of {}", written.len());
    let taken = stream.write(written).is_ok();
    drop(stream);
    Ok(OutgoingBody::finish(body, None).is_ok() && taken)
}

fn has_one_stream(_: &Call) -> Outcome {
    let (_response, body) = declaring(None)?;
    let first = body.write();
    ensure!(first.is_ok(), "the first call: an error");
    ensure!(body.write().is_err(), "the second call: success");
    drop(first);
    ensure!(body.write().is_err(), "a call after the stream is gone: success");
    Ok(())
}

fn of_the_declared_length_finishes(_: &Call) -> Outcome {
    ensure!(finishes(Some("5"), b"hello")?, "an error");
    Ok(())
}

fn shorter_than_declared_fails(_: &Call) -> Outcome {
    ensure!(!finishes(Some("6"), b"hello")?, "4 of 5 are success");
    ensure!(!finishes(Some("1"), b"")?, "0 of 1 are success");
    Ok(())
}

fn longer_than_declared_fails(_: &Call) -> Outcome {
    ensure!(!finishes(Some("4"), b"hello")?, "5 of 4 are success");
    ensure!(!finishes(Some("0"), b"hello")?, "5 of 0 are success");
    Ok(())
}

fn without_a_stream_finishes_empty(_: &Call) -> Outcome {
    for (length, expected) in [(None, true), (Some("0"), true), (Some("1"), false)] {
        let (_response, body) = declaring(length)?;
        let finished = OutgoingBody::finish(body, None).is_ok();
        ensure!(finished == expected, "length {length:?}: {finished}");
    }
    Ok(())
}

fn without_a_length_finishes(_: &Call) -> Outcome {
    ensure!(finishes(None, b"hello")?, "an error");
    Ok(())
}
