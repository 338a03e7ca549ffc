//! Why the admin side refuses something, and the answer that tells so.

use crate::deploy;
use crate::net::answer::{AnswerBody, PROXY_STATUS, Problem, REQUEST_ID, json, problem};
use crate::outcome::Reason;
use crate::telemetry::RequestId;
use http::header::{CONNECTION, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{Response, StatusCode};

/// Seconds after which a change can be asked for again that found no room.
const RETRY_AFTER_S: u32 = 5;

/// Why an admin request is refused, with the header field that goes with it.
#[derive(Debug)]
pub(super) struct Refusal {
    why: Why,
    pub(super) field: Option<(HeaderName, HeaderValue)>,
}

#[derive(Debug)]
enum Why {
    /// It is not for this client, or not to be had at all.
    Request(Reason),
    /// The change is not made.
    Change(deploy::Refusal),
}

impl Refusal {
    pub(super) fn with(reason: Reason, field: Option<(HeaderName, HeaderValue)>) -> Self {
        Self { why: Why::Request(reason), field }
    }

    /// The reason as programs read it.
    pub(super) fn label(&self) -> &'static str {
        match &self.why {
            Why::Request(reason) => reason.label(),
            Why::Change(refusal) => refusal.reason.label(),
        }
    }

    pub(super) fn answer(self, head: &Parts) -> Response<AnswerBody> {
        let id = RequestId::from_client(head.headers.get(REQUEST_ID)).header_value();
        let mut answer = match self.why {
            Why::Request(reason) => problem(reason.into(), &id),
            Why::Change(refusal) => change_problem(&refusal, &id),
        };
        let headers = answer.headers_mut();
        if let Some((name, value)) = self.field {
            headers.insert(name, value);
        }
        // Whoever is not welcome holds no connection.
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        answer
    }
}

/// RFC 9457, with what a person needs to mend it.
fn change_problem(refusal: &deploy::Refusal, id: &HeaderValue) -> Response<AnswerBody> {
    let reason = refusal.reason;
    let label = reason.label();
    let document = serde_json::json!(Problem {
        kind: format!("urn:wasm-host:reason:{label}"),
        title: reason.title(),
        status: reason.status().as_u16(),
        reason: label,
        detail: Some(&refusal.detail),
        request_id: id.to_str().unwrap_or_default(),
    });
    let mut answer = json(reason.status(), "application/problem+json", &document);
    let error = match reason.status() {
        status if status.is_client_error() => "http_request_denied",
        StatusCode::BAD_GATEWAY => "destination_unavailable",
        _ => "proxy_internal_error",
    };
    let headers = answer.headers_mut();
    let status = format!("wasm-host; error={error}; details=\"{label}\"");
    headers
        .insert(PROXY_STATUS, HeaderValue::try_from(status).expect("proxy-status: labels are visible ASCII"));
    headers.insert(REQUEST_ID, id.clone());
    if reason.status() == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(RETRY_AFTER, HeaderValue::from(RETRY_AFTER_S));
    }
    answer
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        // RFC 9110 §15.5.2: a 401 names the scheme.
        let scheme = || (WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        Self::with(reason, (reason == Reason::Unauthorized).then(scheme))
    }
}

impl From<deploy::Refusal> for Refusal {
    fn from(refusal: deploy::Refusal) -> Self {
        Self { why: Why::Change(refusal), field: None }
    }
}
