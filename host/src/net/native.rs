//! `/health` and `/ready`: answered by the I/O runtime alone. Neither touches a lock, a queue or a
//! thread that a guest, a compile or a deployment can hold.

use super::answer::{AnswerBody, json};
use super::service::Host;
use crate::outcome::Reason;
use http::{Method, Response, StatusCode};
use serde_json::json;

/// The native answer to this request, if it asks for one.
pub(super) fn answer(method: &Method, path: &str, host: &Host) -> Option<Response<AnswerBody>> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return None;
    }
    match path {
        "/health" => Some(json(StatusCode::OK, "application/json", &json!({ "status": "ok" }))),
        "/ready" => Some(ready(host)),
        _ => None,
    }
}

/// Ready to be sent requests: not draining, able to preempt guests, and not short of memory.
fn ready(host: &Host) -> Response<AnswerBody> {
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
    let document = json!({
        "status": why,
        "instances": { "live": admission.live(), "max": admission.instances_max() },
        "streams": { "live": admission.streams(), "max": admission.streams_max() },
        "queued": admission.queued(),
    });
    json(status, "application/json", &document)
}
