//! What is served now: the table for those who look something up, and the handlers by who defined them
//! for those who change something.

use super::deployed::{Deployed, Identity};
use crate::config::HandlerName;
use crate::outcome::Reason;
use crate::routing::{Found, Miss, Route, RouteTable};
use crate::telemetry::HandlerStats;
use arc_swap::{ArcSwap, Guard};
use http::Method;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What the log and the metrics call the handler of requests that no handler was found for; no handler has
/// this name.
const NOBODY: &str = "-";

/// Who says that a handler is served.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Defined {
    /// The settings file, the handlers directory or the command line.
    Configured,
    /// Whoever looks after the host.
    Deployed,
}

/// The handlers of a host.
pub struct Catalog {
    served: ArcSwap<Served>,
    /// Held by whoever changes what is served: the handlers by who defined them.
    defined: Mutex<[Vec<Arc<Deployed>>; 2]>,
    slice: Duration,
    nobody: Arc<HandlerStats>,
}

/// What is served at one moment.
pub struct Served {
    table: RouteTable<Deployed>,
    handlers: Vec<Arc<Deployed>>,
    nobody: (Arc<str>, Arc<HandlerStats>),
}

/// Two handlers that cannot be served together.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Overlap {
    /// They have the same name.
    #[error("there are two handlers `{0}`")]
    Name(HandlerName),
    /// They are to be served at the same place.
    #[error("the route `{route}` of `{handler}` is one of `{with}`, too")]
    Route {
        /// The later one.
        handler: HandlerName,
        /// Its route.
        route: String,
        /// The earlier one.
        with: HandlerName,
    },
}

impl Catalog {
    /// A catalog with nothing in it; `slice` is what guests are to give their thread back after.
    pub fn new(slice: Duration) -> Self {
        let nobody = Arc::new(HandlerStats::new(slice));
        let served = Served::new(Vec::new(), nobody.clone()).expect("nothing does not overlap");
        Self { served: ArcSwap::from_pointee(served), defined: Mutex::default(), slice, nobody }
    }

    /// What is served now. Takes no lock; not to be held for longer than a look-up takes.
    pub fn now(&self) -> Guard<Arc<Served>> {
        self.served.load()
    }

    /// Serves `handlers` in the place of those that `who` had defined before.
    ///
    /// # Errors
    /// The first overlap, in which case all stays as it is.
    pub fn replace(&self, who: Defined, handlers: Vec<Arc<Deployed>>) -> Result<(), Overlap> {
        self.replace_once(who, handlers, || Ok(()))
    }

    /// The same, once `kept` has written down that it is so. Nobody else changes what is served meanwhile, and
    /// requests are led as before.
    ///
    /// # Errors
    /// The first overlap, before anything is written, or what `kept` says; in both cases all stays as it is.
    pub fn replace_once<E: From<Overlap>>(
        &self,
        who: Defined,
        handlers: Vec<Arc<Deployed>>,
        kept: impl FnOnce() -> Result<(), E>,
    ) -> Result<(), E> {
        let mut defined = self.defined.lock().unwrap_or_else(PoisonError::into_inner);
        let other = match who {
            Defined::Configured => Defined::Deployed,
            Defined::Deployed => Defined::Configured,
        };
        // Those of the settings come first: it is the others that overlap.
        let mut all = [Vec::new(), Vec::new()];
        all[who as usize] = handlers;
        all[other as usize].clone_from(&defined[other as usize]);
        let served = Served::new(all.concat(), self.nobody.clone())?;
        kept()?;
        *defined = all;
        self.served.store(Arc::new(served));
        Ok(())
    }

    /// The handlers that `who` has defined.
    pub fn defined_by(&self, who: Defined) -> Vec<Arc<Deployed>> {
        self.defined.lock().unwrap_or_else(PoisonError::into_inner)[who as usize].clone()
    }

    /// Who defined the handler of this name.
    pub fn defined(&self, name: &HandlerName) -> Option<(Defined, Arc<Deployed>)> {
        let defined = self.defined.lock().unwrap_or_else(PoisonError::into_inner);
        [Defined::Configured, Defined::Deployed].into_iter().find_map(|who| {
            let found = defined[who as usize].iter().find(|handler| handler.name == *name);
            found.map(|handler| (who, handler.clone()))
        })
    }

    /// Who a handler of this name is: who it was so far, or somebody new.
    pub fn identity(&self, name: &HandlerName) -> Identity {
        match self.defined(name) {
            Some((_, handler)) => handler.identity(),
            None => Identity::new(HandlerStats::new(self.slice)),
        }
    }
}

impl Served {
    fn new(handlers: Vec<Arc<Deployed>>, nobody: Arc<HandlerStats>) -> Result<Self, Overlap> {
        let mut names: Vec<&HandlerName> = handlers.iter().map(|handler| &handler.name).collect();
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Overlap::Name(pair[0].clone()));
        }
        let every = [Route::every()];
        let (table, nobody) = match handlers.as_slice() {
            // What no handler is found for is this one's, too: there is none besides.
            [only] if only.routes == every => {
                let to = (only.handler.name().clone(), only.handler.stats().clone());
                (RouteTable::single(only.clone()), to)
            }
            _ => (table(&handlers)?, (NOBODY.into(), nobody)),
        };
        Ok(Self { table, handlers, nobody })
    }

    /// The handlers, those of the settings first.
    pub fn handlers(&self) -> &[Arc<Deployed>] {
        &self.handlers
    }

    /// Finds the handler of a request.
    ///
    /// # Errors
    /// Why there is none.
    pub fn find(&self, host: &str, method: &Method, path: &str) -> Result<Found<'_, Deployed>, Miss> {
        self.table.find(host, method, path)
    }

    /// The name and the counters of requests that are led nowhere.
    pub fn nobody(&self) -> &(Arc<str>, Arc<HandlerStats>) {
        &self.nobody
    }
}

fn table(handlers: &[Arc<Deployed>]) -> Result<RouteTable<Deployed>, Overlap> {
    let mut table = RouteTable::default();
    for handler in handlers {
        for route in &handler.routes {
            table.insert(route, handler.clone()).map_err(|conflict| Overlap::Route {
                handler: handler.name.clone(),
                route: route.to_string(),
                with: conflict.with.name.clone(),
            })?;
        }
    }
    Ok(table)
}

impl From<&Miss> for Reason {
    fn from(miss: &Miss) -> Self {
        match miss {
            Miss::NoRoute => Self::NoRoute,
            Miss::Method(_) => Self::MethodNotAllowed,
            Miss::Ambiguous => Self::BadRequest,
        }
    }
}
