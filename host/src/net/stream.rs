//! One answer on its way through a connection: counted as long as it lasts, and in HTTP/2, where each
//! stream has a window of its own, cut off when its client leaves that shut.

use super::activity::InFlight;
use super::answer::AnswerBody;
use super::stall::BYTES_MIN;
use crate::outcome::Reason;
use crate::telemetry::Exchange;
use bytes::Bytes;
use http::{Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Either;
use hyper::rt::Executor;
use std::error::Error;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::Instant;

tokio::task_local! {
    /// The pace of the stream whose task this is.
    static PACE: Arc<Pace>;
}

/// Where the streams of an HTTP/2 connection run: on the I/O runtime, each as a task that ends when
/// its client does not take the next [`BYTES_MIN`] bytes in time. Nothing else could end it: hyper
/// waits for the window and looks at neither body nor clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Streams {
    pub(super) write_timeout: Duration,
}

impl<F> Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let pace = Arc::new(Pace::new());
        Handle::current().spawn(PACE.scope(pace.clone(), paced(stream, pace, self.write_timeout)));
    }
}

/// How long a stream's client takes for what was handed over.
struct Pace {
    born: Instant,
    /// When hyper was handed bytes after which it has not asked for more, in microseconds after `born`.
    waiting_since: AtomicU64,
    stalled: AtomicBool,
}

const NOT_WAITING: u64 = u64::MAX;

impl Pace {
    fn new() -> Self {
        let (waiting_since, stalled) = (AtomicU64::new(NOT_WAITING), AtomicBool::new(false));
        Self { born: Instant::now(), waiting_since, stalled }
    }

    fn wait(&self) {
        let now = u64::try_from(self.born.elapsed().as_micros()).unwrap_or(NOT_WAITING - 1);
        self.waiting_since.store(now, Relaxed);
    }

    fn go_on(&self) {
        self.waiting_since.store(NOT_WAITING, Relaxed);
    }

    fn due(&self, timeout: Duration) -> Option<Instant> {
        match self.waiting_since.load(Relaxed) {
            NOT_WAITING => None,
            since => Some(self.born + Duration::from_micros(since) + timeout),
        }
    }
}

/// Runs `stream` to its end, or drops it when its client does not take what it is sent: the library
/// resets it then.
async fn paced(stream: impl Future<Output = ()>, pace: Arc<Pace>, timeout: Duration) {
    let mut stream = pin!(stream);
    let mut alarm = None;
    poll_fn(|cx| {
        if stream.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        // Most answers are taken at once and need no alarm.
        while let Some(due) = pace.due(timeout) {
            if due <= Instant::now() {
                pace.stalled.store(true, Relaxed);
                return Poll::Ready(());
            }
            let alarm = alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
            ready!(alarm.as_mut().poll(cx));
            alarm.as_mut().reset(due);
        }
        Poll::Pending
    })
    .await;
}

/// The body of an answer, counted and paced.
pub(super) struct Answering {
    body: AnswerBody,
    /// What is left of a frame that is handed over in parts.
    rest: Bytes,
    /// None in HTTP/1.1, where the socket itself shows whether the client reads.
    pace: Option<Arc<Pace>>,
    /// Nothing is sent whatever there is. HTTP/1.1's side of hyper sees to that itself.
    bodiless: bool,
    in_flight: InFlight,
}

/// Counts `answer`, `to_head` or to another method, as in flight until its body's end. To be called in
/// the stream's own task.
pub(super) fn answering(
    answer: Response<AnswerBody>,
    to_head: bool,
    in_flight: InFlight,
) -> Response<Answering> {
    let pace = PACE.try_with(Arc::clone).ok();
    // RFC 9110 §6.4.1.
    let empty = to_head || matches!(answer.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let bodiless = empty && pace.is_some();
    answer.map(|body| Answering { body, rest: Bytes::new(), pace, bodiless, in_flight })
}

impl Answering {
    fn exchange(&self) -> Option<&Arc<Exchange>> {
        match &self.body {
            Either::Left(_) => None,
            Either::Right(body) => Some(body.exchange()),
        }
    }
}

impl Body for Answering {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        let Some(pace) = &this.pace else {
            return Pin::new(&mut this.body).poll_frame(cx);
        };
        pace.go_on();
        if this.rest.is_empty() {
            match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => this.rest = data,
                    Err(frame) => return Poll::Ready(Some(Ok(frame))),
                },
                end => return Poll::Ready(end),
            }
        }
        pace.wait();
        let part = this.rest.split_to(this.rest.len().min(BYTES_MIN));
        Poll::Ready(Some(Ok(Frame::data(part))))
    }

    fn is_end_stream(&self) -> bool {
        self.bodiless || (self.rest.is_empty() && self.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, body) = (self.rest.len() as u64, self.body.size_hint());
        let mut hint = SizeHint::new();
        if let Some(upper) = body.upper() {
            hint.set_upper(upper + rest);
        }
        hint.set_lower(body.lower() + rest);
        hint
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        let Some(exchange) = self.exchange() else { return };
        let stalled = self.pace.as_ref().is_some_and(|pace| pace.stalled.load(Relaxed));
        if stalled || self.in_flight.stalled() {
            exchange.fail(Reason::WriteTimeout);
        } else if !self.rest.is_empty() {
            // The guest gave it all, and the client did not get it.
            exchange.fail(Reason::ClientGone);
        }
    }
}
