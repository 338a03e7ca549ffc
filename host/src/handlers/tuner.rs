//! Finds out which handlers compute, and has their components compiled anew for that: by a thread of its own, since
//! that takes as long as it takes, and at the priority of every compilation.

use super::catalog::Catalog;
use super::deployed::Deployed;
use crate::digest::Digest;
use crate::executor::HandlerKey;
use crate::sandbox::{Handler, Sandbox};
use crate::telemetry::chain;
use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;
use std::{io, thread};

/// How often it looks.
const PERIOD: Duration = Duration::from_millis(250);
/// CPU time of a handler that is enough to tell what it does, at least.
const ENOUGH: Duration = Duration::from_millis(250);
/// The same for each byte of its code: about what it takes to compile it. So compiling takes about as much CPU time as
/// was already used before it, and a whole engine for another language, of which computing is a small part, has to run
/// for a minute first.
const ENOUGH_FOR_BYTE: Duration = Duration::from_micros(1);
/// How many times as much is enough after compiling has failed: what ails it may pass.
const PATIENCE: u32 = 8;
/// CPU time of a request from which code for computing pays: its instance costs some microseconds more to make, and
/// what it saves is a third and more.
const COMPUTES: Duration = Duration::from_micros(500);

/// Which version of which handler.
type Key = (HandlerKey, Digest);

/// What requests had come to.
#[derive(Clone, Copy, Debug)]
struct Past {
    requests: u64,
    cpu: Duration,
}

/// What is known of one version.
#[derive(Debug)]
struct Judged {
    past: Past,
    patience: u32,
}

/// A handler that computes, and what each of its requests takes.
struct Computes {
    handler: Arc<Handler>,
    key: Key,
    each: Duration,
}

/// Starts the thread, which ends once nobody serves what is in `catalog`.
///
/// # Errors
/// If the system refuses a thread.
pub fn tune(sandbox: &Arc<Sandbox>, catalog: &Arc<Catalog>) -> io::Result<()> {
    let (sandbox, catalog) = (Arc::downgrade(sandbox), Arc::downgrade(catalog));
    let look_on = move || {
        let mut known = HashMap::new();
        loop {
            thread::park_timeout(PERIOD);
            if look(&sandbox, &catalog, &mut known).is_none() {
                return;
            }
        }
    };
    thread::Builder::new().name("tuner".to_owned()).spawn(look_on).map(drop)
}

/// Judges every handler that is served, and has the first that computes compiled; none if nothing is served any more.
fn look(sandbox: &Weak<Sandbox>, catalog: &Weak<Catalog>, known: &mut HashMap<Key, Judged>) -> Option<()> {
    let computes = {
        let served = catalog.upgrade()?.now().handlers().to_vec();
        known.retain(|key, _| served.iter().any(|deployed| key_of(deployed) == *key));
        served.iter().find_map(|deployed| judge(deployed, known))
    };
    let sandbox = sandbox.upgrade()?;
    // Nothing but this handler is held on to meanwhile: what is served may change.
    if let Some(Computes { handler, key, each }) = computes
        && !compile(&sandbox, &handler, each)
        && let Some(judged) = known.get_mut(&key)
    {
        judged.patience = judged.patience.saturating_mul(PATIENCE);
    }
    Some(())
}

fn key_of(deployed: &Deployed) -> Key {
    (deployed.identity().key(), deployed.handler.digest())
}

/// Whether it turned out to compute since it was judged last, or was first seen.
fn judge(deployed: &Deployed, known: &mut HashMap<Key, Judged>) -> Option<Computes> {
    let handler = &deployed.handler;
    if !handler.tunes() {
        return None;
    }
    // Not those that were refused before there was a guest.
    let now = Past { requests: handler.stats().judged().0, cpu: handler.stats().cpu() };
    let key = key_of(deployed);
    let judged = known.entry(key).or_insert(Judged { past: now, patience: 1 });
    let each = now.since(&judged.past, enough(handler.code_bytes()).saturating_mul(judged.patience))?;
    judged.past = now;
    (each >= COMPUTES).then(|| Computes { handler: handler.clone(), key, each })
}

/// CPU time that is enough to tell what so much code does.
fn enough(code_bytes: u64) -> Duration {
    ENOUGH_FOR_BYTE.saturating_mul(u32::try_from(code_bytes).unwrap_or(u32::MAX)).max(ENOUGH)
}

impl Past {
    /// CPU time of each request since `past`, once all of them took `enough`.
    fn since(self, past: &Self, enough: Duration) -> Option<Duration> {
        let cpu = self.cpu.saturating_sub(past.cpu);
        // One that has not ended yet counts as one.
        let requests = u32::try_from(self.requests.saturating_sub(past.requests)).unwrap_or(u32::MAX).max(1);
        (cpu >= enough).then(|| cpu / requests)
    }
}

/// Has it compiled; whether that was done.
fn compile(sandbox: &Sandbox, handler: &Handler, each: Duration) -> bool {
    let (name, done) = (&**handler.name(), sandbox.tune(handler));
    let cpu_us = u64::try_from(each.as_micros()).unwrap_or(u64::MAX);
    match &done {
        Ok(()) => {
            tracing::info!(
                handler = name,
                cpu_us,
                "handler computes: its next instances run code made for that"
            );
        }
        Err(error) => {
            let why = chain(error);
            tracing::warn!(handler = name, cpu_us, why, "handler computes, and goes on with the code it has");
        }
    }
    done.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    #[test]
    fn a_handler_is_judged_by_what_each_of_its_requests_takes_once_they_took_enough() {
        let past = Past { requests: 100, cpu: Duration::from_secs(1) };
        let after = |requests, ms| Past { requests, cpu: ms * MILLISECOND }.since(&past, enough(1));
        assert_eq!(after(200, 1249), None, "too little to tell");
        assert_eq!(after(600, 1250), Some(COMPUTES));
        assert!(after(601, 1250).is_some_and(|each| each < COMPUTES));
        assert_eq!(after(100, 3000), Some(Duration::from_secs(2)), "one that goes on");
    }

    #[test]
    fn more_code_takes_longer_to_be_worth_compiling() {
        assert_eq!(enough(0), ENOUGH);
        assert_eq!(enough(10_000_000), Duration::from_secs(10));
        assert!(enough(u64::MAX) > Duration::from_secs(3600));
    }
}
