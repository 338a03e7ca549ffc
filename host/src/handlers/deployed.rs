//! One handler as it is served: the entry that a request is led to, and all that is asked of it then.

use crate::admission::{HandlerRate, HandlerShare};
use crate::config::{HandlerName, Terms};
use crate::digest::Digest;
use crate::executor::HandlerKey;
use crate::routing::Route;
use crate::sandbox::Handler;
use crate::telemetry::{HandlerStats, Tally};
use http::HeaderMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A handler that requests can be led to. Lives until the last of them has ended.
#[derive(Clone)]
pub struct Deployed {
    /// What it is called.
    pub name: HandlerName,
    /// Where it is served.
    pub routes: Vec<Route>,
    /// What is instantiated.
    pub handler: Arc<Handler>,
    /// What admission gives it.
    pub share: HandlerShare,
    /// How often all of its clients may ask.
    pub rate: Option<Arc<HandlerRate>>,
    /// Whether it is told the pattern of its route.
    pub route_header: bool,
    /// The same for those that are served alike: component, name and terms.
    pub fingerprint: Digest,
    /// Where requests of this version are counted apart, if they are.
    pub tally: Option<Arc<Tally>>,
    /// Who answers what is led here.
    pub answers: Answers,
}

/// Who answers the requests that are led to a handler.
#[derive(Clone, Default)]
pub enum Answers {
    /// The handler itself.
    #[default]
    Itself,
    /// Nobody: it is paused.
    Nobody,
    /// Some of them another version, which is tried.
    Tried(Arc<Trial>),
}

/// Another version of a handler, and which requests it gets.
pub struct Trial {
    /// Whether it gets this one. Asked once for each request, and waits for nobody.
    pub picks: Box<dyn Fn(&HeaderMap) -> bool + Send + Sync>,
    /// What serves them.
    pub with: Arc<Deployed>,
}

/// What stays of a handler when it changes: who it is to the executor and to admission, and what its
/// requests have come to.
#[derive(Clone, Debug)]
pub struct Identity {
    key: HandlerKey,
    /// Where its requests are counted.
    pub stats: Arc<HandlerStats>,
}

impl Identity {
    /// An identity that no other handler of this process has had.
    pub fn new(stats: HandlerStats) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self { key: NEXT.fetch_add(1, Relaxed), stats: Arc::new(stats) }
    }

    /// Who it is to the executor and to admission.
    pub fn key(&self) -> HandlerKey {
        self.key
    }
}

impl Deployed {
    /// Serves `handler` on `terms`.
    pub fn new(
        name: HandlerName,
        identity: &Identity,
        terms: &Terms,
        fingerprint: Digest,
        handler: Arc<Handler>,
    ) -> Self {
        Self {
            name,
            routes: terms.routes.clone(),
            handler,
            share: HandlerShare { handler: identity.key, concurrency: terms.concurrency },
            rate: terms.rate.map(HandlerRate::new).map(Arc::new),
            route_header: terms.route_header,
            fingerprint,
            tally: None,
            answers: Answers::Itself,
        }
    }

    /// Who it is.
    pub fn identity(&self) -> Identity {
        Identity { key: self.share.handler, stats: self.handler.stats().clone() }
    }
}
