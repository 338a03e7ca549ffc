//! A request's body on its way to a guest: bounded in size and in the time between two chunks. The
//! guest pulls, so a guest that does not read holds the client back.

use super::upload::Upload;
use crate::outcome::Reason;
use crate::sandbox::BodyError;
use crate::telemetry::Exchange;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Sleep;

/// hyper's body with our bounds. Polled on executor threads, by the guest's reads.
pub(super) struct RequestBody {
    incoming: Upload,
    bytes_left: u64,
    bytes_max: u64,
    timeout: Duration,
    /// Runs while the guest waits for the client.
    patience: Option<Pin<Box<Sleep>>>,
    exchange: Arc<Exchange>,
    /// Wakes the request's own task when the request cannot go on.
    fault: Option<oneshot::Sender<Reason>>,
}

impl RequestBody {
    /// Bounds `incoming`; the receiver hears of the one fault that ends the request, if there is one.
    pub(super) fn new(
        incoming: Upload,
        bytes_max: u64,
        timeout: Duration,
        exchange: Arc<Exchange>,
    ) -> (Self, oneshot::Receiver<Reason>) {
        let (fault, faults) = oneshot::channel();
        let (bytes_left, patience, fault) = (bytes_max, None, Some(fault));
        (Self { incoming, bytes_left, bytes_max, timeout, patience, exchange, fault }, faults)
    }

    fn fail(&mut self, reason: Reason, error: BodyError) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let reason = self.exchange.fail(reason);
        if let Some(fault) = self.fault.take() {
            // Once a head was sent nobody listens; the response's body asks the exchange.
            let _ = fault.send(reason);
        }
        Poll::Ready(Some(Err(error)))
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let body = &mut *self;
        match Pin::new(&mut body.incoming).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                body.patience = None;
                let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
                match body.bytes_left.checked_sub(bytes) {
                    Some(left) => body.bytes_left = left,
                    None => return body.fail(Reason::BodyTooLarge, BodyError::TooLarge(body.bytes_max)),
                }
                Poll::Ready(Some(Ok(frame)))
            }
            // A client that broke off cannot be answered: the guest may still tidy up.
            Poll::Ready(Some(Err(_))) => Poll::Ready(Some(Err(BodyError::Broken))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                let timeout = body.timeout;
                let patience = body.patience.get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
                match patience.as_mut().poll(cx) {
                    Poll::Pending => Poll::Pending,
                    Poll::Ready(()) => body.fail(Reason::BodyTimeout, BodyError::Timeout),
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
