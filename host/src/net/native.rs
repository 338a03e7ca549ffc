//! `/health` and `/ready`: answered by the I/O runtime alone. Neither touches a lock, a queue or a
//! thread that a guest, a compile or a deployment can hold.

use super::answer::{AnswerBody, json};
use super::service::Host;
use crate::outcome::Reason;
use http::{Method, Response, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

/// The native answer to this request, if it asks for one.
pub(super) fn answer(method: &Method, path: &str, host: &Host) -> Option<Response<AnswerBody>> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return None;
    }
    match path {
        "/health" => Some(health()),
        "/ready" => Some(ready(host)),
        _ => None,
    }
}

/// The answer to `/health`.
#[derive(JsonSchema, Serialize)]
pub(super) struct Health {
    status: &'static str,
}

/// The answer to `/ready`, with 503 where it is not.
#[derive(JsonSchema, Serialize)]
pub(super) struct Readiness {
    /// `ready`, or why not.
    status: &'static str,
    /// Handlers that are served.
    handlers: usize,
    instances: Count,
    streams: Count,
    /// Requests that wait for an instance.
    queued: u32,
}

/// How many there are, and may be.
#[derive(JsonSchema, Serialize)]
struct Count {
    live: u32,
    max: u32,
}

/// Alive.
pub(super) fn health() -> Response<AnswerBody> {
    json(StatusCode::OK, "application/json", &json!(Health { status: "ok" }))
}

/// Ready to be sent requests: not draining, able to preempt guests, and not short of memory.
pub(super) fn ready(host: &Host) -> Response<AnswerBody> {
    let (status, why) = if host.drain.leaving() {
        (StatusCode::SERVICE_UNAVAILABLE, "draining")
    } else if !host.executor.healthy() {
        (StatusCode::SERVICE_UNAVAILABLE, "executor_unhealthy")
    } else if host.admission.pressure().is_high() {
        (StatusCode::SERVICE_UNAVAILABLE, Reason::MemoryPressure.label())
    } else {
        (StatusCode::OK, "ready")
    };
    let admission = &host.admission;
    let count = |live, max| Count { live, max };
    let document = json!(Readiness {
        status: why,
        handlers: host.catalog.now().handlers().len(),
        instances: count(admission.live(), admission.instances_max()),
        streams: count(admission.streams(), admission.streams_max()),
        queued: admission.queued(),
    });
    json(status, "application/json", &document)
}
