//! The thread of changes that take no time: a switch to what is loaded already, a pause, an end. It never
//! compiles, so yesterday's version is back while today's successor still does. And it looks at the canaries.

use super::core::{Base, Core, Done};
use super::deployment::Change;
use super::deployments::{Order, Reply, What};
use super::loader::Slow;
use super::refusal::{Refusal, RefusalReason};
use crate::config::HandlerName;
use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often canaries are looked at.
const JUDGE_INTERVAL: Duration = Duration::from_millis(100);
/// How often it is looked whether there are any.
const IDLE_INTERVAL: Duration = Duration::from_secs(1);
/// How long until it is tried again to give up a canary, after that has failed.
const RETRY_INTERVAL: Duration = Duration::from_secs(10);

/// What the thread needs.
pub(super) struct Switch {
    pub(super) core: Arc<Mutex<Core>>,
    /// Who is asked where something has to be loaded first.
    pub(super) loader: SyncSender<Slow>,
}

impl Switch {
    pub(super) fn run(self, asked: &Receiver<(Order, Reply)>) {
        let mut stuck = BTreeMap::new();
        loop {
            let interval = if self.lock().judges() { JUDGE_INTERVAL } else { IDLE_INTERVAL };
            match asked.recv_timeout(interval) {
                Ok((order, reply)) => self.take(order, reply),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.judge(&mut stuck);
        }
    }

    fn take(&self, order: Order, reply: Reply) {
        let Order { name, base, what } = order;
        match what {
            What::Deploy(new) => {
                self.load(Slow::New { name, base, new, change: Box::new(Change::Deploy), reply });
            }
            What::Try { new, share, tester } => {
                let change = move |version| {
                    let tester = tester.clone();
                    Change::StartCanary(super::canary::Canary { version, share, tester })
                };
                self.load(Slow::New { name, base, new, change: Box::new(change), reply });
            }
            What::Change(change) => self.change(name, base, change, reply),
            What::Remove => {
                let _ = reply.send(self.lock().remove(&name, base));
            }
        }
    }

    fn change(&self, name: HandlerName, base: Base, change: Change, reply: Reply) {
        let mut core = self.lock();
        match core.plan(&name, &change) {
            Ok(missing) if !missing.is_empty() => {
                drop(core);
                self.load(Slow::Known { name, base, change, missing, reply });
            }
            Ok(_) | Err(_) => {
                let _ = reply.send(core.change(&name, base, &change, Vec::new()));
            }
        }
    }

    fn load(&self, slow: Slow) {
        let (slow, refusal) = match self.loader.try_send(slow) {
            Ok(()) => return,
            Err(TrySendError::Full(slow)) => (slow, Refusal::plain(RefusalReason::Busy)),
            Err(TrySendError::Disconnected(slow)) => (slow, Refusal::gone()),
        };
        let (Slow::New { reply, .. } | Slow::Known { reply, .. }) = slow;
        let _ = reply.send(Err(refusal));
    }

    /// Gives up the canaries that fail, but for those that are `stuck` until then: they could not be given up.
    fn judge(&self, stuck: &mut BTreeMap<HandlerName, Instant>) {
        let now = Instant::now();
        stuck.retain(|_, until| *until > now);
        let mut core = self.lock();
        let verdicts = core.judge(now).into_iter().filter(|(name, _)| !stuck.contains_key(name));
        for (name, verdict) in verdicts.collect::<Vec<_>>() {
            let canary =
                core.state(&name).and_then(|state| state.canary.as_ref()).map(|it| it.version.short());
            let done = core.change(&name, Base::Any, &Change::EndCanary, Vec::new());
            let (requests, failures) = (verdict.requests, verdict.failures);
            let canary = canary.unwrap_or_default();
            match done {
                Ok(Done { generation, .. }) => tracing::warn!(
                    handler = name.to_string(),
                    canary,
                    requests,
                    failures,
                    generation,
                    "canary rolled back: it failed too often"
                ),
                Err(refusal) => {
                    tracing::error!(
                        handler = name.to_string(),
                        canary,
                        requests,
                        failures,
                        error = refusal.detail,
                        "the canary fails too often, and cannot be rolled back"
                    );
                    stuck.insert(name, now + RETRY_INTERVAL);
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
