//! The guest's one way to answer, and what became of it.

use super::body::ResponseBody;
use super::response::Finished;
use crate::outcome::Reason;
use crate::telemetry::Exchange;
use std::fmt::Debug;
use std::sync::{Arc, OnceLock};
use tokio::sync::oneshot;
use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;

/// The head of a guest's response, with the body that follows.
pub type GuestHead = http::Response<ResponseBody>;

/// Bytes of a guest's own error that reach the log.
const ERROR_BYTES_MAX: usize = 1024;

/// Whatever the guest does with its answer, the exchange knows before the channel closes: whoever
/// waits for the head asks for the reason at once.
pub(super) struct Answer {
    tx: Option<oneshot::Sender<GuestHead>>,
    sent: Arc<OnceLock<Finished>>,
    exchange: Arc<Exchange>,
}

impl Answer {
    pub(super) fn new(
        tx: Option<oneshot::Sender<GuestHead>>,
        sent: Arc<OnceLock<Finished>>,
        exchange: Arc<Exchange>,
    ) -> Self {
        Self { tx, sent, exchange }
    }

    /// Passes on what the guest set.
    pub(super) fn give(mut self, response: Result<http::Response<HyperOutgoingBody>, ErrorCode>) {
        match response {
            Ok(response) if response.status().is_informational() => {
                self.exchange.fail(Reason::GuestBadResponse);
            }
            Ok(response) => {
                let finished = self.sent.get().cloned().unwrap_or_default();
                if let Some(tx) = self.tx.take() {
                    // Nobody listening means that the client went away, which others record.
                    let _ = tx.send(response.map(|body| ResponseBody::new(body, finished)));
                }
            }
            Err(code) => refuse(&self.exchange, &code),
        }
    }
}

/// Records that the guest answered with an error `code` in place of a response.
pub(super) fn refuse(exchange: &Exchange, code: &dyn Debug) {
    let mut details = format!("{code:?}");
    details.truncate(details.floor_char_boundary(ERROR_BYTES_MAX));
    tracing::warn!(request_id = %exchange.head.id, handler = &*exchange.head.handler,
        details, "guest answered with an error");
    exchange.fail(Reason::GuestError);
}

impl Drop for Answer {
    fn drop(&mut self) {
        // Dropped by the guest while the client waits; later drops find the reason recorded.
        if self.tx.as_ref().is_some_and(|tx| !tx.is_closed()) {
            self.exchange.fail(Reason::GuestNoResponse);
        }
    }
}
