//! What is sent to the admin side: components and small documents, each bounded in bytes and in time, and
//! components in number, too.

use super::refusal::Refusal;
use crate::deploy::{self, Held, RefusalReason};
use crate::net::head;
use crate::outcome::Reason;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

/// Components that are in memory at once, from the first byte until they are on the disk; others wait.
const UPLOADS_MAX: usize = 4;
/// Bytes of a document.
const DOCUMENT_BYTES_MAX: u64 = 512 * 1024;

/// What bounds what is sent.
pub(super) struct Uploads {
    bytes_max: u64,
    time_max: Duration,
    permits: Arc<Semaphore>,
}

impl Uploads {
    /// Takes components of `bytes_max` bytes that arrive within `time_max`.
    pub(super) fn new(bytes_max: u64, time_max: Duration) -> Self {
        Self { bytes_max, time_max, permits: Arc::new(Semaphore::new(UPLOADS_MAX)) }
    }

    /// Receives a component.
    pub(super) async fn component(
        &self,
        headers: &HeaderMap,
        body: Incoming,
    ) -> Result<(Vec<u8>, Held), Refusal> {
        let due = Instant::now() + self.time_max;
        if head::declared_length(headers).is_some_and(|length| length > self.bytes_max) {
            return Err(self.too_large().into());
        }
        // Until then nothing of it is read, and the client's own socket holds it back.
        let permit = match timeout_at(due, self.permits.clone().acquire_owned()).await {
            Ok(permit) => permit.expect("uploads: the semaphore is never closed"),
            Err(_) => return Err(deploy::Refusal::plain(RefusalReason::Busy).into()),
        };
        match timeout_at(due, receive(body, self.bytes_max)).await {
            Ok(Ok(Some(bytes))) => Ok((bytes, permit)),
            Ok(Ok(None)) => Err(self.too_large().into()),
            Ok(Err(reason)) => Err(reason.into()),
            Err(_) => Err(self.too_late().into()),
        }
    }

    /// Receives a JSON document; an empty body is an empty one.
    pub(super) async fn document<T: DeserializeOwned + Default>(
        &self,
        headers: &HeaderMap,
        body: Incoming,
    ) -> Result<T, Refusal> {
        let received = self.text(body).await?;
        if received.is_empty() {
            return Ok(T::default());
        }
        parse(headers, &received)
    }

    /// The same, of which something has to be there.
    pub(super) async fn whole_document<T: DeserializeOwned>(
        &self,
        headers: &HeaderMap,
        body: Incoming,
    ) -> Result<T, Refusal> {
        parse(headers, &self.text(body).await?)
    }

    async fn text(&self, body: Incoming) -> Result<Vec<u8>, Refusal> {
        let due = Instant::now() + self.time_max;
        match timeout_at(due, receive(body, DOCUMENT_BYTES_MAX)).await {
            Ok(Ok(Some(received))) => Ok(received),
            Ok(Ok(None)) => Err(Reason::BodyTooLarge.into()),
            Ok(Err(reason)) => Err(reason.into()),
            Err(_) => Err(self.too_late().into()),
        }
    }

    fn too_large(&self) -> deploy::Refusal {
        let detail = format!("a component has {} bytes at most here (`max-component`)", self.bytes_max);
        deploy::Refusal::new(RefusalReason::ComponentTooLarge, detail)
    }

    fn too_late(&self) -> deploy::Refusal {
        let detail = format!("it has to be here within {:?} (`upload-timeout`)", self.time_max);
        deploy::Refusal::new(RefusalReason::UploadTimeout, detail)
    }
}

/// Whether what is sent says that it is of this type.
pub(super) fn is_a(headers: &HeaderMap, media: &str) -> bool {
    let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    given.split(';').next().is_some_and(|given| given.trim().eq_ignore_ascii_case(media))
}

/// That what is sent is none of these.
pub(super) fn unsupported(expected: &str) -> Refusal {
    let detail = format!("expected content of the type {expected}");
    deploy::Refusal::new(RefusalReason::UnsupportedMedia, detail).into()
}

fn parse<T: DeserializeOwned>(headers: &HeaderMap, received: &[u8]) -> Result<T, Refusal> {
    if !is_a(headers, "application/json") {
        return Err(unsupported("application/json"));
    }
    let read = serde_json::from_slice(received);
    read.map_err(|error| deploy::Refusal::new(RefusalReason::BadChange, error.to_string()).into())
}

/// Reads a body to its end; none if it is longer than it may be.
async fn receive(mut body: Incoming, bytes_max: u64) -> Result<Option<Vec<u8>>, Reason> {
    let mut received = Vec::new();
    while let Some(frame) = body.frame().await {
        // The client is gone, or has broken the framing.
        let frame = frame.map_err(|_| Reason::BadRequest)?;
        let Ok(data) = frame.into_data() else { continue };
        if received.len() as u64 + data.len() as u64 > bytes_max {
            return Ok(None);
        }
        received.extend_from_slice(&data);
    }
    Ok(Some(received))
}
