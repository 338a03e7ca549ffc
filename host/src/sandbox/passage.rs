//! A body on its way from a guest of WASI 0.3 to its client, and the one who knows whether it is whole.
//!
//! wasmtime-wasi-http's body ends in the same way whether the guest has finished it or has gone down
//! with its store in the middle. So the end that is seen counts only while the guest's store is there:
//! whoever takes the store down settles the body first, which takes over what the guest has handed over
//! and looks whether that is all.

use super::body::Unfinished;
use atomic_waker::AtomicWaker;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::task::{Context, Poll, Waker};
use tokio::sync::oneshot;
use wasmtime_wasi_http::{Error, WasiBody};

/// Frames that wait for the client once the guest is gone: the library holds one chunk, and the trailers.
const FRAMES_HELD_MAX: usize = 2;
/// Turns of its store's tasks after which a body does not go on any more that no task of the guest is
/// left for: a turn brings one thing that is under way to its end, such as trailers already written.
const TURNS_MAX: u32 = 32;

/// Shared by the job, which owns the guest, and by the connection, which reads. The connection never
/// waits for the job's thread, which may have a low priority.
pub(super) struct Passage {
    inner: Mutex<Inner>,
    /// The connection, while it waits for a frame.
    reader: AtomicWaker,
    /// The job, while it waits for the connection to take a frame.
    job: AtomicWaker,
    /// Nobody reads any more.
    abandoned: AtomicBool,
}

struct Inner {
    /// None once the body has ended, one way or another.
    frames: Option<WasiBody>,
    /// Taken over from the guest and not read yet.
    held: VecDeque<Frame<Bytes>>,
    end: Option<End>,
    /// An end that is not told yet waits until it is recorded why.
    told: bool,
    /// It goes on without the guest: it passes a body on that another one sends.
    released: bool,
    /// Bytes still to come of those that were declared.
    left: Option<u64>,
    /// No byte of the body is sent, whatever is written.
    bodiless: bool,
    /// Tells the guest what became of its response.
    sent: Option<oneshot::Sender<Result<(), Error>>>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    /// The guest finished it.
    Whole,
    /// It did not.
    Cut,
    /// The client does not want the rest.
    Unwanted,
}

impl Passage {
    /// Carries `frames`, of which `declared` bytes are to come, if so many were declared. A response that
    /// is `bodiless` is sent with its head. `sent` hears what became of it.
    pub(super) fn new(
        frames: WasiBody,
        declared: Option<u64>,
        bodiless: bool,
        sent: oneshot::Sender<Result<(), Error>>,
    ) -> Self {
        let inner = Inner {
            frames: Some(frames),
            held: VecDeque::new(),
            end: None,
            told: false,
            released: false,
            left: declared,
            bodiless,
            sent: Some(sent),
        };
        Self {
            inner: Mutex::new(inner),
            reader: AtomicWaker::new(),
            job: AtomicWaker::new(),
            abandoned: AtomicBool::new(false),
        }
    }

    /// The next frame, for the connection.
    pub(super) fn poll_frame(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Unfinished>>> {
        self.reader.register(cx.waker());
        // Whoever holds the lock wakes the reader afterwards.
        let Some(mut inner) = self.try_lock() else { return Poll::Pending };
        if inner.held.is_empty() {
            let polled = inner.poll(cx);
            let ended = inner.end.is_some();
            drop(inner);
            if ended {
                self.job.wake();
            }
            return polled;
        }
        let frame = inner.held.pop_front();
        drop(inner);
        self.job.wake();
        Poll::Ready(frame.map(Ok))
    }

    /// Whether nothing follows any more.
    pub(super) fn is_end_stream(&self) -> bool {
        self.try_lock().is_some_and(|inner| match (&inner.frames, inner.end) {
            (Some(frames), None) => inner.held.is_empty() && frames.is_end_stream(),
            (_, end) => inner.held.is_empty() && end == Some(End::Whole),
        })
    }

    /// How much follows.
    pub(super) fn size_hint(&self) -> SizeHint {
        let left = self.try_lock().and_then(|inner| inner.left);
        left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }

    /// The connection wants no more: the guest's next write fails.
    pub(super) fn abandon(&self) {
        self.abandoned.store(true, SeqCst);
        // Whoever holds the lock sees the mark.
        if let Some(mut inner) = self.try_lock() {
            inner.abandon();
        }
        self.job.wake();
    }

    /// Lets the body go on without its guest.
    pub(super) fn release(&self) {
        self.lock().released = true;
        self.reader.wake();
    }

    /// Waits until all of the body was read, or nobody wants it any more. Cancel safe.
    pub(super) fn poll_ended(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.job.register(cx.waker());
        let ended = self.lock().end.is_some() || self.abandoned.load(SeqCst);
        // It may have come while this had the lock.
        self.reader.wake();
        match ended {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }

    /// Whether it goes on without its guest.
    pub(super) fn released(&self) -> bool {
        let released = self.lock().released;
        self.reader.wake();
        released
    }

    /// Waits, once no task of the guest is left, for what it has under way; `turns` counts from 0.
    /// To be polled while the store's tasks are run. Cancel safe.
    pub(super) fn poll_drained(&self, cx: &mut Context<'_>, turns: &mut u32) -> Poll<()> {
        self.job.register(cx.waker());
        let mut inner = self.lock();
        let before = inner.held.len();
        inner.take_over(FRAMES_HELD_MAX);
        let (grown, full) = (inner.held.len() > before, inner.held.len() == FRAMES_HELD_MAX);
        let ended = inner.end.is_some() || self.abandoned.load(SeqCst);
        drop(inner);
        self.reader.wake();
        *turns = if grown || full { 0 } else { *turns + 1 };
        if ended || *turns > TURNS_MAX {
            return Poll::Ready(());
        }
        if !full {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Takes over what there is of the body, which ends here, and returns whether the guest finished it.
    /// To be called while the guest's store is there, and when no more of the guest will run. One that
    /// is cut is told to be so by [`Self::tell`].
    pub(super) fn settle(&self) -> bool {
        let mut inner = self.lock();
        if !inner.released {
            // With room for the end of what was taken over before.
            inner.take_over(2 * FRAMES_HELD_MAX);
            if inner.end.is_none() {
                inner.finish(End::Cut);
            }
        }
        let whole = inner.end == Some(End::Whole);
        drop(inner);
        self.reader.wake();
        whole
    }

    /// Tells the connection how the body ended, once it is recorded why.
    pub(super) fn tell(&self) {
        self.lock().told = true;
        self.reader.wake();
    }

    fn try_lock(&self) -> Option<MutexGuard<'_, Inner>> {
        match self.inner.try_lock() {
            Ok(inner) => Some(inner),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Waits for the connection at most, which holds the lock for one poll.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if self.abandoned.load(SeqCst) {
            inner.abandon();
        }
        inner
    }
}

impl Inner {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Unfinished>>> {
        let Some(frames) = &mut self.frames else {
            return match self.end {
                Some(End::Cut) if self.told => Poll::Ready(Some(Err(Unfinished))),
                Some(End::Cut) => Poll::Pending,
                Some(End::Whole | End::Unwanted) | None => Poll::Ready(None),
            };
        };
        match std::task::ready!(std::pin::Pin::new(frames).poll_frame(cx)) {
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
                self.left = self.left.map(|left| left.saturating_sub(bytes));
                // Trailers are the end: nobody asks again.
                if frame.is_trailers() {
                    self.finish(End::Whole);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            None if self.left.is_none_or(|left| left == 0) || self.bodiless => {
                self.finish(End::Whole);
                Poll::Ready(None)
            }
            Some(Err(_)) | None => {
                // The guest's own doing, which the connection finds the name for.
                self.told = true;
                self.finish(End::Cut);
                Poll::Ready(Some(Err(Unfinished)))
            }
        }
    }

    /// Moves what is there into `held`, which then has `frames_max` frames at most.
    fn take_over(&mut self, frames_max: usize) {
        let cx = &mut Context::from_waker(Waker::noop());
        while self.frames.is_some() && self.held.len() < frames_max {
            match self.poll(cx) {
                Poll::Ready(Some(Ok(frame))) => self.held.push_back(frame),
                Poll::Ready(Some(Err(_)) | None) | Poll::Pending => return,
            }
        }
    }

    fn abandon(&mut self) {
        self.held.clear();
        if self.end.is_none() {
            let whole = self.bodiless || self.left == Some(0);
            self.finish(if whole { End::Whole } else { End::Unwanted });
        }
    }

    fn finish(&mut self, end: End) {
        self.frames = None;
        self.end = Some(end);
        if let Some(sent) = self.sent.take() {
            // A guest that does not ask has dropped the other end.
            let _ = sent.send(match end {
                End::Whole => Ok(()),
                End::Cut => Err(Error::HttpResponseIncomplete),
                End::Unwanted => Err(Error::ConnectionTerminated),
            });
        }
    }
}

#[cfg(test)]
mod tests;
