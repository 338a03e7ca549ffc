//! The right to one instance, in the two shapes it takes: a request's, and a stream's.

use super::HandlerKey;
use super::gate::Gate;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

/// The right to one instance; given back when it is dropped, which is on a thread of normal priority.
#[derive(Debug)]
pub struct RequestPermit(Arc<Held>);

/// The request's way to become a stream: held by whoever sends its response, while the permit itself
/// is with the instance.
#[derive(Debug)]
pub struct StreamClaim(Arc<Held>);

/// What one request holds. Changed under the gate's lock only.
#[derive(Debug)]
pub(super) struct Held {
    gate: Arc<Gate>,
    pub(super) handler: HandlerKey,
    kind: AtomicU8,
}

/// What a request holds now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub(super) enum Kind {
    /// One of the instances, and one of its handler's.
    Request,
    /// One of the streams.
    Stream,
    /// Nothing any more.
    Returned,
}

impl RequestPermit {
    pub(super) fn new(gate: Arc<Gate>, handler: HandlerKey) -> Self {
        Self(Arc::new(Held { gate, handler, kind: AtomicU8::new(Kind::Request as u8) }))
    }

    /// The way to make this request a stream.
    pub fn claim(&self) -> StreamClaim {
        StreamClaim(self.0.clone())
    }
}

impl Drop for RequestPermit {
    fn drop(&mut self) {
        self.0.gate.give_back(&self.0);
    }
}

impl StreamClaim {
    /// Trades the request's permit for a stream's: its instance goes on, and its place among the
    /// instances and in its handler's concurrency is free. False if there is no stream permit left;
    /// true also if it is one already, or its instance is gone.
    #[must_use]
    pub fn take(&self) -> bool {
        self.0.gate.make_stream(&self.0)
    }
}

impl Held {
    pub(super) fn kind(&self) -> Kind {
        match self.kind.load(Relaxed) {
            0 => Kind::Request,
            1 => Kind::Stream,
            _ => Kind::Returned,
        }
    }

    pub(super) fn set(&self, kind: Kind) {
        self.kind.store(kind as u8, Relaxed);
    }
}
