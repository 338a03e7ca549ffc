//! A handler: one compiled component with its settings, from which every request gets an instance
//! of its own.

use super::component::LoadError;
use super::linker;
use super::room::{Place, Room};
use super::session::Session;
use super::shared::Crews;
use super::shelf::Shelf;
use super::world::Linked;
use crate::capabilities::OutboundGrant;
use crate::config::{CodeProfile, Limits, Reuse};
use crate::digest::Digest;
use crate::telemetry::{HandlerStats, Sampler};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use wasmtime::Engine;
use wasmtime::component::Component;

/// Failures a second whose details reach the log; each has its request's line in any case.
const FAILURES_TOLD_MAX: u32 = 20;
/// What works for nobody has no deadline: a year.
pub(super) const AGES: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// What a handler is called and granted.
#[derive(Clone, Debug)]
pub struct HandlerSettings {
    /// Its name in log lines.
    pub name: Arc<str>,
    /// Its environment variables.
    pub env: Vec<(String, String)>,
    /// Where its outbound requests may go.
    pub outbound: OutboundGrant,
    /// Where its requests are counted.
    pub stats: Arc<HandlerStats>,
    /// How long an instance lives beyond a request.
    pub reuse: Reuse,
    /// What its code is compiled for.
    pub code_profile: CodeProfile,
    /// Whether it is told the number of its instance (`WASM_HOST_INSTANCE`), which only the built-in
    /// handler is: it lets a guest see how much the host serves.
    pub tells_instance: bool,
}

/// A component ready to be instantiated for a request.
pub struct Handler {
    linked: Linked,
    /// The same component compiled for computing, once it is.
    computing: OnceLock<Computing>,
    /// Of its component.
    digest: Digest,
    /// Of the code that it began with.
    code_bytes: u64,
    pub(super) limits: Limits,
    pub(super) settings: HandlerSettings,
    /// Where its instances wait for requests, if they do.
    pub(super) shelf: Option<Arc<Shelf>>,
    pub(super) room: Arc<Room>,
    /// Its instances that serve several requests at once.
    pub(super) crews: Crews,
    instances: AtomicU64,
    /// Which of its failures are told in full.
    pub(super) failures: Sampler,
}

/// A component that was compiled for computing.
struct Computing {
    linked: Linked,
    /// Where its instances have places.
    room: Arc<Room>,
}

impl Handler {
    pub(super) fn new(
        engine: &Engine,
        component: &Component,
        digest: Digest,
        limits: Limits,
        settings: HandlerSettings,
        room: &Arc<Room>,
    ) -> Result<Arc<Self>, LoadError> {
        let linked = linker::link(engine, component)?;
        let image = component.image_range();
        let code_bytes = (image.end.addr() - image.start.addr()) as u64;
        let handler = Arc::new_cyclic(|handler| Self {
            linked,
            computing: OnceLock::new(),
            digest,
            code_bytes,
            limits,
            shelf: settings.reuse.keeps_instances().then(|| {
                let resting = Session::aside(settings.name.clone(), &settings.stats, "(waiting)", AGES, AGES);
                Arc::new(Shelf::new(settings.reuse, resting, handler.clone()))
            }),
            settings,
            room: room.clone(),
            crews: Crews::default(),
            instances: AtomicU64::new(0),
            failures: Sampler::new(FAILURES_TOLD_MAX),
        });
        if let Some(shelf) = &handler.shelf {
            room.register(shelf);
        }
        Ok(handler)
    }

    /// Has instances run this code for computing from now on, as long as `room` has a place for them.
    pub(super) fn compute_with(
        &self,
        engine: &Engine,
        component: &Component,
        room: &Arc<Room>,
    ) -> Result<(), LoadError> {
        let linked = linker::link(engine, component)?;
        let _ = self.computing.set(Computing { linked, room: room.clone() });
        Ok(())
    }

    /// The SHA-256 of its component.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Bytes of the code that it began with: compiling it anew takes about a microsecond of CPU time for each.
    pub fn code_bytes(&self) -> u64 {
        self.code_bytes
    }

    /// Whether it is to have such code once it turns out to compute.
    pub fn tunes(&self) -> bool {
        self.settings.code_profile == CodeProfile::Auto && self.computing.get().is_none()
    }

    /// A place for an instance that runs the code for computing, if there is one.
    pub(super) fn enter_computing(&self) -> Option<Place> {
        self.computing.get()?.room.enter()
    }

    /// The code for computing, which there is for whoever has a place there, or the other.
    pub(super) fn linked(&self, computing: Option<&Place>) -> &Linked {
        match (computing, self.computing.get()) {
            (Some(_), Some(computing)) => &computing.linked,
            (_, None) | (None, _) => &self.linked,
        }
    }

    /// The handler's name.
    pub fn name(&self) -> &Arc<str> {
        &self.settings.name
    }

    /// Where its requests are counted.
    pub fn stats(&self) -> &Arc<HandlerStats> {
        &self.settings.stats
    }

    /// Whether its instances serve several requests at once.
    pub fn shares(&self) -> bool {
        self.requests_at_once() > 1
    }

    /// Requests that one of its instances may serve at once.
    pub(super) fn requests_at_once(&self) -> u32 {
        match (&self.linked, &self.settings.reuse) {
            (Linked::P3(_), reuse) if reuse.requests_max.get() > 1 => reuse.concurrency.get(),
            (Linked::P3(_) | Linked::P2(_), _) => 1,
        }
    }

    /// What one of its instances may use.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// How many instances it has had.
    pub fn instances_made(&self) -> u64 {
        self.instances.load(Relaxed)
    }

    /// How many of them wait for a request.
    pub fn instances_waiting(&self) -> u64 {
        self.shelf.as_ref().map_or(0, |shelf| shelf.count())
    }

    /// Counts instances from 1.
    pub(super) fn next_instance(&self) -> u64 {
        self.instances.fetch_add(1, Relaxed) + 1
    }
}
