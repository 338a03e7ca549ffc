//! What [`super::invoke`] does in one go, step by step: for benchmarks of its parts.

use super::answer::GuestHead;
use super::body::BodyError;
use super::budget::Budget;
use super::handler::Handler;
use super::instance::Instance;
use super::invoke::{Failure, obtain};
use super::session::Session;
use crate::outcome::Reason;
use crate::telemetry::Exchange;
use bytes::Bytes;
use http_body::Body;
use std::sync::Arc;
use tokio::sync::oneshot;

/// An instance that serves when it is told to. Dropped, it is taken down.
pub struct Stepped(Instance);

impl Stepped {
    /// A store, with room for an instance of `handler` that works for one request first.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn open(
        handler: &Handler,
        budget: Arc<Budget>,
        exchange: Arc<Exchange>,
    ) -> Result<Self, Reason> {
        obtain(handler, Session { budget, exchange }).await.map(Self)
    }

    /// Instantiates the component.
    ///
    /// # Errors
    /// Why it cannot be.
    pub async fn start(&mut self, handler: &Handler) -> Result<(), Reason> {
        let started = self.0.start(handler).await;
        started.map_err(|failure| self.tell(&failure, handler))
    }

    /// Works for another request from now on.
    ///
    /// # Errors
    /// Why it cannot.
    pub fn begin(
        &mut self,
        handler: &Handler,
        budget: Arc<Budget>,
        exchange: Arc<Exchange>,
    ) -> Result<(), Reason> {
        let begun = self.0.begin(handler, Session { budget, exchange });
        begun.map_err(|_| Reason::InstantiationFailed)
    }

    /// Has the guest serve `request`; its response goes out through `answer`.
    ///
    /// # Errors
    /// How it failed.
    pub async fn call<B>(
        &mut self,
        handler: &Handler,
        request: http::Request<B>,
        answer: oneshot::Sender<GuestHead>,
    ) -> Result<(), Reason>
    where
        B: Body<Data = Bytes, Error = BodyError> + Send + 'static,
    {
        let called = self.0.call(request, &mut Some(answer)).await;
        called.map_err(|failure| self.tell(&failure, handler))
    }

    fn tell(&self, failure: &Failure, handler: &Handler) -> Reason {
        let state = self.0.store.data();
        failure.record(state, handler);
        state.session.exchange.failure().unwrap_or(Reason::GuestTrap)
    }
}
