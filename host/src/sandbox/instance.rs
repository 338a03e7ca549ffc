//! One instance: a store and the component in it, from its making to its end. It serves one request, or
//! several one after the other if its handler asked for that.

use super::answer::GuestHead;
use super::body::BodyError;
use super::handler::Handler;
use super::invoke::{Failure, conclude, end_slice};
use super::room::Place;
use super::session::Session;
use super::state::HostState;
use super::trap::Stage;
use super::world::Linked;
use super::{p2, p3, shared};
use crate::config::Reuse;
use bytes::Bytes;
use http_body::Body;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::oneshot;
use wasmtime::{AsContextMut, Store, UpdateDeadline};
use wasmtime_wasi_http::p2::bindings::Proxy;
use wasmtime_wasi_http::p3::bindings::Service;

/// Entries that a task, stream or future of WASI 0.3 takes in its store: its state, and one for each end.
const ENTRIES_PER_HANDLE: usize = 3;

/// Memory of an instance from which it takes long to take it down: what is written of it is given back to the system
/// page by page.
pub const LARGE_INSTANCE_BYTES: u64 = 48 << 20;

/// A live sandbox.
pub(super) struct Instance {
    pub(super) store: Store<HostState>,
    /// None until it is started.
    guest: Option<Guest>,
    /// Requests that it was given.
    pub(super) served: u32,
    made: Instant,
    /// Its place among those that run code for computing, if it does. Places are declared last and dropped last: one
    /// is free once the pool's slot is.
    computing: Option<Place>,
    _place: Place,
}

/// The component in its store.
pub(super) enum Guest {
    P2(Proxy),
    P3(Arc<Service>),
}

impl Instance {
    /// An empty sandbox for `handler`, to work for `session` at first.
    ///
    /// # Errors
    /// If the store refuses a limit.
    pub(super) fn open(handler: &Handler, place: Place, session: Session) -> wasmtime::Result<Self> {
        let limits = &handler.limits;
        let state = HostState::new(handler, session);
        let computing = handler.enter_computing();
        let mut store = Store::new(handler.linked(computing.as_ref()).engine(), state);
        store.limiter(|state| &mut state.limiter);
        store.set_hostcall_fuel(limits.hostcall_bytes_max);
        if let Some(table) = store.concurrent_resource_table() {
            table.set_max_capacity(limits.handles_max.saturating_mul(ENTRIES_PER_HANDLE));
        }
        if let Some(fuel) = limits.fuel {
            store.set_fuel(fuel)?;
        }
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|store| {
            let Session { budget, exchange } = &store.data().session;
            let slice_over = end_slice(budget);
            if store.data().seats.is_some() {
                shared::tick(store);
            } else if let Some(reason) = budget.spent() {
                conclude(reason, store.data(), exchange);
                // Not by a trap: unwinding and dropping the instance is left to whoever polls next, and
                // that is a thread of normal priority.
                budget.stop();
            }
            Ok(UpdateDeadline::YieldCustom(1, Box::pin(slice_over)))
        });
        Ok(Self { store, guest: None, served: 0, made: Instant::now(), computing, _place: place })
    }

    /// Instantiates the component, unless that is done.
    pub(super) async fn start(&mut self, handler: &Handler) -> Result<(), Failure> {
        if self.guest.is_none() {
            let failed = |error| Failure::Call(error, Stage::Instantiate);
            self.guest = Some(
                match handler.linked(self.computing.as_ref()) {
                    Linked::P2(pre) => pre.instantiate_async(&mut self.store).await.map(Guest::P2),
                    Linked::P3(pre) => pre
                        .instantiate_async(&mut self.store)
                        .await
                        .map(|service| Guest::P3(Arc::new(service))),
                }
                .map_err(failed)?,
            );
        }
        Ok(())
    }

    /// Gives `request` to the guest, once it was started; ends when the guest is not needed any more.
    pub(super) async fn call<B>(
        &mut self,
        request: http::Request<B>,
        answer: &mut Option<oneshot::Sender<GuestHead>>,
    ) -> Result<(), Failure>
    where
        B: Body<Data = Bytes, Error = BodyError> + Send + 'static,
    {
        self.served += 1;
        match self.guest.as_ref().expect("instance: started before it is called") {
            Guest::P2(proxy) => p2::call(proxy, &mut self.store, request, answer).await,
            Guest::P3(service) => p3::call(service, &mut self.store, request, answer).await,
        }
        .map_err(|error| Failure::Call(error, Stage::Handle))
    }

    /// The guest, of a handler that shares its instances, once it was started.
    pub(super) fn service(&self) -> Arc<Service> {
        match &self.guest {
            Some(Guest::P3(service)) => service.clone(),
            Some(Guest::P2(_)) | None => unreachable!("only instances of WASI 0.3 are shared, once started"),
        }
    }

    /// Works for `session` from now on.
    pub(super) fn begin(&mut self, handler: &Handler, session: Session) -> wasmtime::Result<()> {
        if let Some(fuel) = handler.limits.fuel {
            self.store.set_fuel(fuel)?;
        }
        self.store.set_epoch_deadline(1);
        self.store.data_mut().begin(session);
        Ok(())
    }

    /// Works for nobody from now on, and keeps nothing of whom it worked for.
    pub(super) fn rest(&mut self, session: Session) {
        self.store.data_mut().begin(session);
    }

    /// Whether it may serve another request: the last one ended well, and it holds no more than it may.
    pub(super) fn fit(&mut self, handler: &Handler) -> bool {
        let (reuse, handles_max) = (&handler.settings.reuse, handler.limits.handles_max);
        // A guest of WASI 0.2 may return and keep what it was to answer with: it is gone with its instance.
        let owes = self.served > 0 && matches!(self.guest, Some(Guest::P2(_)));
        self.guest.is_some()
            && self.served < reuse.requests_max.get()
            && self.store.data_mut().fit(owes, reuse.memory_bytes_max, handles_max / 2)
            && self.tasks() <= handles_max.saturating_mul(ENTRIES_PER_HANDLE) / 2
    }

    /// Whether it has waited for its next request for too long: since `since`.
    pub(super) fn stale(&self, since: Instant, now: Instant, reuse: &Reuse) -> bool {
        match self.served {
            0 => now.saturating_duration_since(self.made) >= reuse.warm_age_max,
            _ => now.saturating_duration_since(since) >= reuse.idle_max,
        }
    }

    /// Whether nobody was served by it yet.
    pub(super) fn unused(&self) -> bool {
        self.served == 0
    }

    /// What is left of tasks, streams and futures of WASI 0.3.
    fn tasks(&mut self) -> usize {
        match self.guest {
            Some(Guest::P3(_)) => self.store.as_context_mut().concurrent_state_table_size(),
            Some(Guest::P2(_)) | None => 0,
        }
    }
}
