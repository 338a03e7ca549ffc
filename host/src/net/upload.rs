//! A request's body on its way from the connection to whoever reads it. In HTTP/2 all streams of a
//! connection share one lock, and a guest's thread of low priority may be stopped while it holds it:
//! so there the I/O runtime reads, and the guest only takes from a channel of its own.

use bytes::Bytes;
use http::Version;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// Frames that wait for the guest, each 16 KiB at most, beyond what the stream's window holds back.
const FRAMES_MAX: usize = 2;

/// hyper's body, to be polled on any thread.
pub(super) enum Upload {
    /// HTTP/1: hyper's own channel.
    Direct(Incoming),
    /// HTTP/2.
    Apart {
        frames: mpsc::Receiver<hyper::Result<Frame<Bytes>>>,
        /// What is still to come, as it was declared.
        hint: SizeHint,
        /// Nothing will come any more.
        ended: bool,
    },
}

impl Upload {
    /// Readies `body` for the guest. To be called on the I/O runtime.
    pub(super) fn new(body: Incoming, version: Version) -> Self {
        if version < Version::HTTP_2 {
            return Self::Direct(body);
        }
        let (hint, ended) = (body.size_hint(), body.is_end_stream());
        let (tx, frames) = mpsc::channel(FRAMES_MAX);
        if !ended {
            Handle::current().spawn(carry(body, tx));
        }
        Self::Apart { frames, hint, ended }
    }
}

/// Carries frames over until the body ends or nobody wants more of it: dropping `body` then tells the
/// client.
async fn carry(mut body: Incoming, tx: mpsc::Sender<hyper::Result<Frame<Bytes>>>) {
    loop {
        let Ok(place) = tx.reserve().await else { return };
        let frame = tokio::select! {
            frame = body.frame() => frame,
            () = tx.closed() => return,
        };
        let Some(frame) = frame else { return };
        let broken = frame.is_err();
        place.send(frame);
        if broken {
            return;
        }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut *self {
            Self::Direct(body) => Pin::new(body).poll_frame(cx),
            Self::Apart { frames, hint, ended } => {
                let frame = ready!(frames.poll_recv(cx));
                *ended |= frame.is_none();
                let data = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref());
                if let (Some(length), Some(data)) = (hint.exact(), data) {
                    *hint = SizeHint::with_exact(length.saturating_sub(data.len() as u64));
                }
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Direct(body) => body.is_end_stream(),
            Self::Apart { ended, .. } => *ended,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Direct(body) => body.size_hint(),
            Self::Apart { hint, .. } => *hint,
        }
    }
}
