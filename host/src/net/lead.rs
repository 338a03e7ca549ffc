//! Which handler a request is led to, and whose it is in the log and the metrics if it is led nowhere.

use super::head;
use super::origin::{Link, Origin};
use super::service::Host;
use crate::handlers::{Answers, Deployed, Served};
use crate::outcome::Reason;
use crate::routing::Miss;
use crate::telemetry::{HandlerStats, Tally};
use http::header::HeaderValue;
use http::request::Parts;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Where a request is led.
pub(super) struct Led {
    /// What the handler is called in the log.
    pub(super) handler: Arc<str>,
    /// Where the request is counted.
    pub(super) stats: Arc<HandlerStats>,
    /// Where it is counted for the version that serves it, if that is done.
    pub(super) tally: Option<Arc<Tally>>,
    /// The methods that are served at its path, if its own is not.
    pub(super) allow: Option<HeaderValue>,
    /// What serves it, or why nothing does.
    pub(super) to: Result<Target, Reason>,
}

/// What serves a request.
pub(super) struct Target {
    pub(super) deployed: Arc<Deployed>,
    /// Who asks, and for what.
    pub(super) origin: Origin,
    /// The pattern that its path fits, if the handler is to know.
    pub(super) route: Option<HeaderValue>,
}

/// Checks a head and finds what it asks for. A panic is this request's own.
pub(super) fn lead(head: &Parts, link: &Link, host: &Host) -> Led {
    let served = host.catalog.now();
    // Nothing is changed here that could be left half-changed.
    catch_unwind(AssertUnwindSafe(|| find(head, link, host, &served)))
        .unwrap_or_else(|_| nowhere(&served, Reason::HostPanic))
}

fn find(head: &Parts, link: &Link, host: &Host, served: &Served) -> Led {
    let checked = head::check(head, &host.config).and_then(|()| Origin::of(head, link, &host.config.proxies));
    let origin = match checked {
        Ok(origin) => origin,
        Err(reason) => return nowhere(served, reason),
    };
    match served.find(origin.host(), &head.method, head.uri.path()) {
        Ok(found) => {
            let (deployed, paused) = match &found.target.answers {
                Answers::Itself => (found.target.clone(), false),
                Answers::Nobody => (found.target.clone(), true),
                Answers::Tried(trial) if (trial.picks)(&head.headers) => (trial.with.clone(), false),
                Answers::Tried(_) => (found.target.clone(), false),
            };
            let pattern = || HeaderValue::try_from(found.pattern.to_ascii()).ok();
            let route = deployed.route_header.then(pattern);
            let (handler, stats) = (deployed.handler.name().clone(), deployed.handler.stats().clone());
            let tally = deployed.tally.clone();
            let to = match paused {
                true => Err(Reason::Paused),
                false => Ok(Target { deployed, origin, route: route.flatten() }),
            };
            Led { handler, stats, tally, allow: None, to }
        }
        Err(miss) => {
            let allow = match &miss {
                Miss::Method(allow) => HeaderValue::from_str(allow).ok(),
                Miss::NoRoute | Miss::Ambiguous => None,
            };
            Led { allow, ..nowhere(served, Reason::from(&miss)) }
        }
    }
}

fn nowhere(served: &Served, reason: Reason) -> Led {
    let (handler, stats) = served.nobody().clone();
    Led { handler, stats, tally: None, allow: None, to: Err(reason) }
}
