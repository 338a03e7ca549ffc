//! Bodies on their way through the sandbox, without the names of the engine: what the network side
//! reads from a guest and what it feeds to one.

use super::passage::Passage;
use super::response::Finished;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Acquire;
use std::task::{Context, Poll};
use wasmtime_wasi_http::{Error, WasiBody};

/// Why a request's body did not arrive whole.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BodyError {
    /// The client sent more than it may.
    #[error("the body is larger than {0} bytes")]
    TooLarge(u64),
    /// The client stopped sending.
    #[error("the body did not arrive in time")]
    Timeout,
    /// The client went away, or broke the framing.
    #[error("the body broke off")]
    Broken,
}

/// The guest dropped its response's body unfinished, or it is not as long as declared.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the guest did not finish its body")]
pub struct Unfinished;

impl From<BodyError> for Error {
    /// What a guest that reads the request's body is told.
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge(max) => Self::HttpRequestBodySize(Some(max)),
            BodyError::Timeout => Self::ConnectionReadTimeout,
            BodyError::Broken => Self::ConnectionTerminated,
        }
    }
}

/// The body of a guest's response, read chunk by chunk as the guest writes it: at most two chunks
/// wait between guest and client, and the guest waits once they are there.
///
/// Ends only if the guest finished it; the end of an instance in the middle is
/// [`Unfinished`]. Cancel safe: dropping it makes the guest's next write fail.
pub struct ResponseBody(Source);

/// How a body comes from a guest.
enum Source {
    /// WASI 0.2.
    Watched { frames: WasiBody, finished: Finished },
    /// WASI 0.3.
    Passage(Arc<Passage>),
}

impl ResponseBody {
    pub(super) fn new(frames: WasiBody, finished: Finished) -> Self {
        Self(Source::Watched { frames, finished })
    }

    pub(super) fn through(passage: Arc<Passage>) -> Self {
        Self(Source::Passage(passage))
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        if let Source::Passage(passage) = &self.0 {
            passage.abandon();
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Unfinished;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Unfinished>>> {
        match &mut self.0 {
            Source::Watched { frames, finished } => {
                Pin::new(frames).poll_frame(cx).map(|frame| match frame {
                    Some(Ok(frame)) => Some(Ok(frame)),
                    Some(Err(_)) => Some(Err(Unfinished)),
                    None if finished.load(Acquire) => None,
                    None => Some(Err(Unfinished)),
                })
            }
            Source::Passage(passage) => passage.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Source::Watched { frames, .. } => frames.is_end_stream(),
            Source::Passage(passage) => passage.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Source::Watched { frames, .. } => frames.size_hint(),
            Source::Passage(passage) => passage.size_hint(),
        }
    }
}
