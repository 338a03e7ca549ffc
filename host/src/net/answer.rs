//! Answers that the host makes itself: RFC 9457 problem documents with RFC 9209 `Proxy-Status`.

use super::guest_body::GuestBody;
use crate::outcome::{Quota, Reason, Refusal};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, Response, StatusCode};
use http_body_util::{Either, Full};
use schemars::JsonSchema;
use serde::Serialize;

/// The body of every response: the host's own, or a guest's.
pub(super) type AnswerBody = Either<Full<Bytes>, GuestBody>;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
pub(super) const PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");

/// An RFC 9457 problem.
#[derive(JsonSchema, Serialize)]
pub(super) struct Problem<'a> {
    /// A name of the reason that is a URI.
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) title: &'a str,
    pub(super) status: u16,
    /// For programs: one of a table, in snake case.
    pub(super) reason: &'a str,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) detail: Option<&'a str>,
    pub(super) request_id: &'a str,
}

/// The answer to a request that was refused, or ended before a head was sent. It says nothing that a
/// guest said, and nothing about the inside of the host.
pub(super) fn problem(refusal: Refusal, request_id: &HeaderValue) -> Response<AnswerBody> {
    let reason = refusal.reason;
    let id = request_id.to_str().unwrap_or_default();
    // RFC 9457 §3.1: "about:blank" would forbid a title of our own; the reason is the type.
    let document = serde_json::json!(Problem {
        kind: format!("urn:wasm-host:reason:{}", reason.label()),
        title: reason.title(),
        status: reason.status().as_u16(),
        reason: reason.label(),
        detail: None,
        request_id: id,
    });
    let mut response = json(reason.status(), "application/problem+json", &document);
    let headers = response.headers_mut();
    let status = format!("wasm-host; error={}; details=\"{}\"", reason.proxy_error(), reason.label());
    headers
        .insert(PROXY_STATUS, HeaderValue::try_from(status).expect("proxy-status: labels are visible ASCII"));
    if let Some(seconds) = refusal.retry_after_s {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let Some(quota) = refusal.quota {
        insert_quota(headers, &quota);
    }
    headers.insert(REQUEST_ID, request_id.clone());
    // An idle connection costs memory, too; and a host that goes wants none.
    if matches!(reason, Reason::MemoryPressure | Reason::Draining) {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// What the limit is and where the client stands, as draft-ietf-httpapi-ratelimit-headers-09 §3 and §4
/// spell it.
fn insert_quota(headers: &mut HeaderMap, quota: &Quota) {
    let Quota { name, count, window_s, reset_s } = quota;
    let value = |text: String| HeaderValue::try_from(text).expect("quota: names and numbers are ASCII");
    headers.insert(RATE_LIMIT_POLICY, value(format!("\"{name}\";q={count};w={window_s}")));
    headers.insert(RATE_LIMIT, value(format!("\"{name}\";r=0;t={reset_s}")));
}

/// A small JSON answer that nobody may keep.
pub(super) fn json(
    status: StatusCode,
    content_type: &'static str,
    document: &serde_json::Value,
) -> Response<AnswerBody> {
    let mut response = Response::new(Either::Left(Full::from(format!("{document}\n"))));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_becomes_a_whole_problem() {
        let id = HeaderValue::from_static("id-1");
        for &reason in Reason::ALL {
            let answer = problem(reason.into(), &id);
            assert_eq!(answer.status(), reason.status());
            let header = |name| answer.headers().get(&name).and_then(|value| value.to_str().ok());
            let status = header(PROXY_STATUS).expect("proxy-status");
            assert!(status.starts_with("wasm-host; error="), "{status}");
            assert!(status.ends_with(&format!("details=\"{}\"", reason.label())), "{status}");
            assert_eq!(header(RETRY_AFTER).is_some(), reason.retry_after_s().is_some());
            assert_eq!(header(REQUEST_ID), Some("id-1"));
        }
    }
}
