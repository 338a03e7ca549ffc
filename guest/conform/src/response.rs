//! `outgoing-response` before it is sent.

use behaviours::wasip2::http::types::{Fields, OutgoingResponse};

use crate::Check;
use crate::call::{Call, Outcome};
use crate::ensure;
use crate::fields::immutable;

pub(crate) const CHECKS: &[Check] = &[
    ("response-has-status-200-at-first", has_status_200_at_first),
    ("response-keeps-its-status", keeps_its_status),
    ("response-refuses-a-bad-status", refuses_a_bad_status),
    ("response-headers-are-immutable", headers_are_immutable),
    ("response-body-is-taken-once", body_is_taken_once),
];

fn new() -> OutgoingResponse {
    OutgoingResponse::new(Fields::new())
}

fn has_status_200_at_first(_: &Call) -> Outcome {
    let status = new().status_code();
    ensure!(status == 200, "{status}");
    Ok(())
}

fn keeps_its_status(_: &Call) -> Outcome {
    let response = new();
    for status in [100, 204, 404, 599] {
        ensure!(response.set_status_code(status).is_ok(), "{status} is refused");
        ensure!(response.status_code() == status, "{status} became {}", response.status_code());
    }
    Ok(())
}

fn refuses_a_bad_status(_: &Call) -> Outcome {
    let response = new();
    for status in [0, 99, 1000, u16::MAX] {
        ensure!(response.set_status_code(status).is_err(), "{status} is accepted");
    }
    ensure!(response.status_code() == 200, "it became {}", response.status_code());
    Ok(())
}

fn headers_are_immutable(_: &Call) -> Outcome {
    let response = new();
    let headers = response.headers();
    immutable(&headers, "x-a")
}

fn body_is_taken_once(_: &Call) -> Outcome {
    let response = new();
    let first = response.body();
    ensure!(first.is_ok(), "the first call: an error");
    ensure!(response.body().is_err(), "the second call: success");
    drop(first);
    ensure!(response.body().is_err(), "a call after the body is gone: success");
    Ok(())
}
