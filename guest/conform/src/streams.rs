//! The streams of bodies: what they permit, and what they do without waiting.

use behaviours::wasip2::http::types::{Fields, OutgoingBody, OutgoingResponse};
use behaviours::wasip2::io::streams::{OutputStream, StreamError};

use crate::Check;
use crate::call::{Call, Outcome};
use crate::ensure;

pub(crate) const CHECKS: &[Check] = &[
    ("stream-read-of-nothing-is-empty", read_of_nothing),
    ("stream-read-gives-at-most-what-was-asked-for", read_gives_at_most),
    ("stream-skip-counts", skip_counts),
    ("stream-permits-what-can-be-written", permits_what_can_be_written),
    ("stream-full-permits-nothing", full_permits_nothing),
    ("stream-splice-counts", splice_counts),
    ("stream-closed-stays-closed", closed_stays_closed),
];

/// The body of a response that is never sent, so that nobody reads what is written.
struct Unread {
    stream: OutputStream,
    _body: OutgoingBody,
    _response: OutgoingResponse,
}

fn unread() -> Result<Unread, String> {
    let response = OutgoingResponse::new(Fields::new());
    let body = response.body().map_err(|()| "body: an error")?;
    let stream = body.write().map_err(|()| "write: an error")?;
    Ok(Unread { stream, _body: body, _response: response })
}

fn read_of_nothing(call: &Call) -> Outcome {
    let body = call.request.consume().map_err(|()| "consume: an error")?;
    let stream = body.stream().map_err(|()| "stream: an error")?;
    match stream.read(0) {
        Ok(bytes) if bytes.is_empty() => Ok(()),
        Err(StreamError::Closed) => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

/// The request of these checks brings `0123456789`.
fn read_gives_at_most(call: &Call) -> Outcome {
    let body = call.request.consume().map_err(|()| "consume: an error")?;
    let stream = body.stream().map_err(|()| "stream: an error")?;
    let mut all = Vec::new();
    loop {
        match stream.blocking_read(3) {
            Ok(bytes) => {
                ensure!(!bytes.is_empty() && bytes.len() <= 3, "{} bytes of 3", bytes.len());
                all.extend(bytes);
            }
            Err(StreamError::Closed) => break,
            Err(error) => return Err(format!("{error:?}")),
        }
    }
    ensure!(all == b"0123456789", "{:?}", String::from_utf8_lossy(&all));
    Ok(())
}

fn skip_counts(call: &Call) -> Outcome {
    let body = call.request.consume().map_err(|()| "consume: an error")?;
    let stream = body.stream().map_err(|()| "stream: an error")?;
    let mut skipped = 0;
    while skipped < 4 {
        let count = stream.blocking_skip(4 - skipped).map_err(|error| format!("{error:?}"))?;
        ensure!(count <= 4 - skipped, "{count} of {}", 4 - skipped);
        skipped += count;
    }
    let next = stream.blocking_read(1).map_err(|error| format!("{error:?}"))?;
    ensure!(next == b"4", "{next:?} follows");
    Ok(())
}

fn permits_what_can_be_written(_: &Call) -> Outcome {
    let unread = unread()?;
    unread.stream.subscribe().block();
    let permit = unread.stream.check_write().map_err(|error| format!("{error:?}"))?;
    ensure!(permit > 0, "nothing is permitted after the wait");
    let bytes = vec![7; usize::try_from(permit).map_err(|error| error.to_string())?];
    unread.stream.write(&bytes).map_err(|error| format!("all of the permit: {error:?}"))
}

/// Writes until nothing more is permitted, which must not take long: nobody reads.
fn full_permits_nothing(_: &Call) -> Outcome {
    const BUFFER_BYTES_MAX: u64 = 16 * 1024 * 1024;
    let unread = unread()?;
    let mut written = 0;
    loop {
        let permit = unread.stream.check_write().map_err(|error| format!("{error:?}"))?;
        if permit == 0 {
            break;
        }
        let chunk = permit.min(64 * 1024);
        unread.stream.write_zeroes(chunk).map_err(|error| format!("{error:?}"))?;
        written += chunk;
        ensure!(written <= BUFFER_BYTES_MAX, "{written} bytes were taken, and nobody reads");
        unread.stream.flush().map_err(|error| format!("flush: {error:?}"))?;
    }
    ensure!(!unread.stream.subscribe().ready(), "ready, and nothing is permitted");
    Ok(())
}

fn splice_counts(call: &Call) -> Outcome {
    let body = call.request.consume().map_err(|()| "consume: an error")?;
    let source = body.stream().map_err(|()| "stream: an error")?;
    let unread = unread()?;
    let mut moved = 0;
    while moved < 6 {
        let count =
            unread.stream.blocking_splice(&source, 6 - moved).map_err(|error| format!("{error:?}"))?;
        ensure!(count <= 6 - moved, "{count} of {}", 6 - moved);
        moved += count;
    }
    let next = source.blocking_read(1).map_err(|error| format!("{error:?}"))?;
    ensure!(next == b"6", "{next:?} follows");
    Ok(())
}

/// A response that is dropped takes the reader of its body along.
fn closed_stays_closed(_: &Call) -> Outcome {
    let response = OutgoingResponse::new(Fields::new());
    let body = response.body().map_err(|()| "body: an error")?;
    let stream = body.write().map_err(|()| "write: an error")?;
    drop(response);
    for _ in 0..2 {
        stream.subscribe().block();
        // What is not noticed at once is noticed by the next write.
        if let Ok(permit) = stream.check_write() {
            let _ = stream.write(&[7][..permit.min(1) as usize]);
            let _ = stream.blocking_flush();
        }
    }
    let result = stream.check_write();
    ensure!(matches!(result, Err(StreamError::Closed)), "check-write: {result:?}");
    let result = stream.check_write();
    ensure!(matches!(result, Err(StreamError::Closed)), "check-write again: {result:?}");
    Ok(())
}
