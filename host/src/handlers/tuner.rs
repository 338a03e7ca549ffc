//! Finds out which handlers compute, and has their components compiled anew for that: by a thread of its own, since
//! that takes as long as it takes, and at the priority of every compilation.

use super::catalog::Catalog;
use super::deployed::{Answers, Deployed};
use crate::executor::HandlerKey;
use crate::sandbox::{Handler, Sandbox};
use crate::telemetry::chain;
use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;
use std::{io, iter, thread};

/// How often it looks.
const PERIOD: Duration = Duration::from_millis(250);
/// CPU time of a handler that is enough to tell what it does, at least.
const ENOUGH: Duration = Duration::from_millis(250);
/// The same for each byte of its code: about what it takes to compile it. So compiling costs no more CPU time than was
/// already used before it, and a whole engine for another language, of which computing is a small part, has to run for
/// a minute first.
const ENOUGH_FOR_BYTE: Duration = Duration::from_micros(1);
/// CPU time of a request from which code for computing pays: its instance costs some tens of microseconds more to
/// make, and what it saves is a third and more.
const COMPUTES: Duration = Duration::from_micros(500);

/// What a handler's requests had come to when it was judged last.
#[derive(Clone, Copy, Debug, Default)]
struct Past {
    requests: u64,
    cpu: Duration,
}

/// Starts the thread, which ends once nobody serves what is in `catalog`.
///
/// # Errors
/// If the system refuses a thread.
pub fn tune(sandbox: &Arc<Sandbox>, catalog: &Arc<Catalog>) -> io::Result<()> {
    let (sandbox, catalog) = (Arc::downgrade(sandbox), Arc::downgrade(catalog));
    let look_on = move || {
        let mut past = HashMap::new();
        loop {
            thread::park_timeout(PERIOD);
            if look(&sandbox, &catalog, &mut past).is_none() {
                return;
            }
        }
    };
    thread::Builder::new().name("tuner".to_owned()).spawn(look_on).map(drop)
}

/// Judges every handler that is served; none if there are none any more.
fn look(
    sandbox: &Weak<Sandbox>,
    catalog: &Weak<Catalog>,
    past: &mut HashMap<HandlerKey, Past>,
) -> Option<()> {
    let served: Vec<Arc<Deployed>> = catalog.upgrade()?.now().handlers().to_vec();
    past.retain(|key, _| served.iter().any(|deployed| deployed.identity().key() == *key));
    for deployed in served {
        let undecided: Vec<_> = versions(&deployed).filter(|handler| handler.tunes()).collect();
        if undecided.is_empty() {
            continue;
        }
        let stats = deployed.handler.stats();
        let now = Past { requests: stats.requests().map(|(_, count)| count).sum(), cpu: stats.cpu() };
        let past = past.entry(deployed.identity().key()).or_default();
        let code_bytes = undecided.iter().map(|handler| handler.code_bytes()).sum();
        if let Some(each) = now.since(past, code_bytes) {
            *past = now;
            if each >= COMPUTES {
                undecided.into_iter().for_each(|handler| compile(sandbox, handler, each));
            }
        }
    }
    sandbox.upgrade().map(drop)
}

/// The version that is served, and the one that is tried.
fn versions(deployed: &Deployed) -> impl Iterator<Item = &Handler> {
    let tried = match &deployed.answers {
        Answers::Tried(trial) => Some(&*trial.with.handler),
        Answers::Itself | Answers::Nobody => None,
    };
    iter::once(&*deployed.handler).chain(tried)
}

impl Past {
    /// CPU time of each request since `past`, if that is enough for so much code.
    fn since(self, past: &Self, code_bytes: u64) -> Option<Duration> {
        let code_bytes = u32::try_from(code_bytes).unwrap_or(u32::MAX);
        let enough = ENOUGH_FOR_BYTE.saturating_mul(code_bytes).max(ENOUGH);
        let cpu = self.cpu.saturating_sub(past.cpu);
        // One that has not ended yet counts as one.
        let requests = u32::try_from(self.requests.saturating_sub(past.requests)).unwrap_or(u32::MAX).max(1);
        (cpu >= enough).then(|| cpu / requests)
    }
}

fn compile(sandbox: &Weak<Sandbox>, handler: &Handler, each: Duration) {
    let Some(sandbox) = sandbox.upgrade() else { return };
    let name = &**handler.name();
    let cpu_us = u64::try_from(each.as_micros()).unwrap_or(u64::MAX);
    match sandbox.tune(handler) {
        Ok(()) => {
            tracing::info!(
                handler = name,
                cpu_us,
                "handler computes: its next instances run code that is made for that"
            );
        }
        Err(error) => {
            handler.stay();
            tracing::warn!(
                handler = name,
                cpu_us,
                why = chain(&error),
                "handler computes, and goes on with code for short requests; with `code-profile` set to `compute` \
                 it has the other from the start"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handler_is_judged_by_what_each_of_its_requests_takes_once_they_took_enough() {
        let past = Past { requests: 100, cpu: Duration::from_secs(1) };
        let after = |requests, ms| Past { requests, cpu: Duration::from_millis(ms) }.since(&past, 1);
        assert_eq!(after(200, 1249), None, "too little to tell");
        assert_eq!(after(600, 1250), Some(COMPUTES));
        assert!(after(601, 1250).is_some_and(|each| each < COMPUTES));
        assert_eq!(after(100, 3000), Some(Duration::from_secs(2)), "one that goes on");
        let large = |ms| Past { requests: 101, cpu: Duration::from_millis(ms) }.since(&past, 10_000_000);
        assert_eq!((large(10_999), large(11_000)), (None, Some(Duration::from_secs(10))));
    }
}
