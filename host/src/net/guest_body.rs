//! A guest's response body on its way to the client: the request's last stretch, and the place
//! that knows how it ended.

use super::drain::Running;
use super::socket::Peer;
use crate::admission::StreamClaim;
use crate::executor::JobHandle;
use crate::outcome::{Outcome, Reason};
use crate::sandbox::ResponseBody;
use crate::telemetry::Exchange;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// A body that goes on for longer makes its response a stream.
const STREAM_AFTER: Duration = Duration::from_secs(1);

/// Why the connection is cut in the middle of a response: HTTP/1.1 closes without the last chunk,
/// HTTP/2 resets the stream with INTERNAL_ERROR.
#[derive(Debug, thiserror::Error)]
#[error("response cut short: {}", .0.label())]
pub(super) struct Cut(Reason);

/// Passes frames on and records the end. Dropped before it, it ends the guest: the client is gone.
pub(super) struct GuestBody {
    inner: ResponseBody,
    exchange: Arc<Exchange>,
    /// The guest; none once the body has ended.
    job: Option<JobHandle>,
    deadline: Instant,
    running: Running,
    /// The way to become a stream, until it is taken.
    claim: Option<StreamClaim>,
    /// Rings when there is no more time for the body; made once somebody has to wait for it.
    alarm: Option<Pin<Box<dyn Future<Output = Reason> + Send>>>,
    length: Length,
    /// Reset when the body is cut, where a mere close would make it look whole.
    reset: Option<Peer>,
    sent_bytes: u64,
}

/// How long the body is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Length {
    /// As the guest declared.
    Declared(u64),
    /// Until it ends.
    Open,
    /// Nothing is sent whatever the guest writes: an answer to HEAD, a 204 or a 304 (RFC 9110 §6.4.1).
    None,
}

impl GuestBody {
    pub(super) fn new(
        inner: ResponseBody,
        exchange: Arc<Exchange>,
        job: JobHandle,
        deadline: Instant,
        running: Running,
        length: Length,
        reset: Option<Peer>,
    ) -> Self {
        Self {
            inner,
            exchange,
            job: Some(job),
            deadline,
            running,
            claim: None,
            alarm: None,
            length,
            reset,
            sent_bytes: 0,
        }
    }

    /// Lets the response become a stream if it goes on.
    pub(super) fn streams_by(mut self, claim: Option<StreamClaim>) -> Self {
        self.claim = claim;
        self
    }

    /// The request's record.
    pub(super) fn exchange(&self) -> &Arc<Exchange> {
        &self.exchange
    }

    /// Everything the client is owed was handed over.
    fn delivered(&self) -> bool {
        match self.length {
            Length::None => true,
            Length::Declared(length) => length == self.sent_bytes,
            Length::Open => self.inner.is_end_stream(),
        }
    }

    /// The guest may go on by itself: what it does after its answer is between it and its budget.
    fn complete(&mut self) {
        self.exchange.end(Outcome::Answered);
        if let Some(job) = self.job.take() {
            job.detach();
        }
    }

    fn cut(&mut self, reason: Reason) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let reason = self.exchange.fail(reason);
        // Dropping the handle ends the guest.
        self.job = None;
        if let Some(peer) = &self.reset {
            peer.reset();
        }
        Poll::Ready(Some(Err(Cut(reason))))
    }

    fn unfinished(&self) -> Reason {
        match self.length {
            Length::Declared(length) if length != self.sent_bytes => Reason::BodyMismatch,
            Length::Declared(_) | Length::Open | Length::None => Reason::BodyUnfinished,
        }
    }

    fn poll_alarm(&mut self, cx: &mut Context<'_>) -> Poll<Reason> {
        let (deadline, drain, job) = (self.deadline.into(), &self.running.drain, &self.job);
        let claim = &mut self.claim;
        let alarm = self.alarm.get_or_insert_with(|| {
            let (mut drain, claim) = (drain.clone(), claim.take());
            let killed = job.as_ref().expect("guest body: polled only while there is a job").killed();
            Box::pin(async move {
                tokio::select! {
                    () = tokio::time::sleep_until(deadline) => Reason::GuestTimeout,
                    () = drain.was_cut() => Reason::Draining,
                    () = killed => Reason::Killed,
                    never = become_stream(claim) => match never {},
                }
            })
        });
        alarm.as_mut().poll(cx)
    }
}

/// Makes the response a stream once it has gone on for a while: its place among the instances is for
/// requests that end. Where there is no room for another stream, it keeps its place and asks again.
async fn become_stream(claim: Option<StreamClaim>) -> Infallible {
    if let Some(claim) = claim {
        loop {
            tokio::time::sleep(STREAM_AFTER).await;
            if claim.take() {
                break;
            }
        }
        drop(claim);
    }
    std::future::pending().await
}

impl Body for GuestBody {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let body = &mut *self;
        if body.job.is_none() {
            return Poll::Ready(None);
        }
        // Others may have ended the exchange: the request's own body, too large or stuck, or a kill.
        if let Some(reason @ (Reason::BodyTooLarge | Reason::BodyTimeout | Reason::Killed)) =
            body.exchange.failure()
        {
            return body.cut(reason);
        }
        match Pin::new(&mut body.inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                body.sent_bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
                match body.length {
                    Length::Declared(length) if body.sent_bytes > length => body.cut(Reason::BodyMismatch),
                    Length::Declared(_) | Length::Open | Length::None => {
                        // Trailers are the end: hyper does not ask again.
                        if frame.is_trailers() {
                            body.complete();
                        }
                        Poll::Ready(Some(Ok(frame)))
                    }
                }
            }
            Poll::Ready(Some(Err(_))) => body.cut(body.unfinished()),
            Poll::Ready(None) => {
                body.complete();
                Poll::Ready(None)
            }
            Poll::Pending => match body.poll_alarm(cx) {
                Poll::Ready(reason) => body.cut(reason),
                Poll::Pending => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.job.is_none() || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match self.length {
            Length::Declared(length) => SizeHint::with_exact(length - self.sent_bytes.min(length)),
            Length::Open | Length::None => self.inner.size_hint(),
        }
    }
}

impl Drop for GuestBody {
    fn drop(&mut self) {
        if self.job.is_none() {
            return;
        }
        if self.delivered() {
            self.complete();
        } else {
            // Dropping the handle ends the guest within a tick.
            self.exchange.fail(Reason::ClientGone);
        }
    }
}
