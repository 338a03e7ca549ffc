//! The turnstile as threads share it: one lock, held for a few counts at a time, and nobody woken
//! under it.
//!
//! It is taken on the I/O threads and where permits come back, which the executor sees to on threads
//! of normal priority: no thread that the kernel may leave stopped ever holds it.

use super::permit::{Held, Kind, RequestPermit};
use super::turnstile::{Arrival, Ticket, Turnstile};
use super::{HandlerKey, HandlerShare};
use crate::config::AdmissionConfig;
use crate::outcome::{Reason, Refusal};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// The longest that a client is asked to stay away: the host may be idle again long before.
const RETRY_S_MAX: u32 = 60;

/// How one who waits is told.
pub(super) type Word = Result<RequestPermit, Refusal>;

/// The shared turnstile.
#[derive(Debug)]
pub(super) struct Gate {
    turnstile: Mutex<Turnstile<oneshot::Sender<Word>>>,
    /// The counts as they were last, for those who only look.
    pub(super) live: AtomicU32,
    pub(super) streams: AtomicU32,
    pub(super) queued: AtomicU32,
    refusals: AtomicU32,
}

/// What an arriving request gets.
pub(super) enum Entry {
    /// A permit.
    Permit(RequestPermit),
    /// A place in its handler's line.
    Place(Place),
}

impl Gate {
    pub(super) fn new(config: AdmissionConfig, alive_max: u32) -> Self {
        Self {
            turnstile: Mutex::new(Turnstile::new(config, alive_max)),
            live: AtomicU32::new(0),
            streams: AtomicU32::new(0),
            queued: AtomicU32::new(0),
            refusals: AtomicU32::new(0),
        }
    }

    /// Lets a request in, gives it a place to wait, or refuses it.
    pub(super) fn enter(self: &Arc<Self>, share: HandlerShare) -> Result<Entry, Refusal> {
        let handler = share.handler;
        let now = Instant::now();
        let mut turnstile = self.lock();
        match turnstile.arrive(share, now) {
            Arrival::Admitted => {
                self.settle(turnstile, now);
                Ok(Entry::Permit(RequestPermit::new(self.clone(), handler)))
            }
            Arrival::MayWait { pushed_out } => {
                let (tx, word) = oneshot::channel();
                let ticket = turnstile.wait(share, tx, now);
                let pushed_out = pushed_out.map(|(other, waiter)| (turnstile.wait_of(other), waiter));
                self.settle(turnstile, now);
                if let Some((wait, waiter)) = pushed_out {
                    // Gone meanwhile: then it needs no telling.
                    let _ = waiter.send(Err(self.refuse(Reason::QueueFull, wait)));
                }
                Ok(Entry::Place(Place { word, gate: self.clone(), handler, ticket }))
            }
            Arrival::Refused(reason) => {
                let wait = turnstile.wait_of(handler);
                drop(turnstile);
                Err(self.refuse(reason, wait))
            }
        }
    }

    /// The refusal of a request of `handler`, with how long the line that it stood in needs now.
    pub(super) fn refusal(&self, reason: Reason, handler: HandlerKey) -> Refusal {
        let wait = self.lock().wait_of(handler);
        self.refuse(reason, wait)
    }

    /// Takes a permit back.
    pub(super) fn give_back(self: &Arc<Self>, held: &Held) {
        let mut turnstile = self.lock();
        match held.kind() {
            Kind::Request => turnstile.release(held.handler),
            Kind::Stream => turnstile.release_stream(),
            Kind::Returned => {}
        }
        held.set(Kind::Returned);
        self.settle(turnstile, Instant::now());
    }

    /// Makes a request a stream, if there is room for one more.
    pub(super) fn make_stream(self: &Arc<Self>, held: &Held) -> bool {
        let mut turnstile = self.lock();
        let streams = match held.kind() {
            Kind::Request => turnstile.stream(held.handler),
            Kind::Stream | Kind::Returned => return true,
        };
        if streams {
            held.set(Kind::Stream);
            self.settle(turnstile, Instant::now());
        }
        streams
    }

    fn leave(self: &Arc<Self>, handler: HandlerKey, ticket: Ticket) {
        let now = Instant::now();
        let mut turnstile = self.lock();
        turnstile.leave(handler, ticket, now);
        self.settle(turnstile, now);
    }

    fn lock(&self) -> MutexGuard<'_, Turnstile<oneshot::Sender<Word>>> {
        self.turnstile.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends a change: the permits that are free find their next holders, and the counts are shown.
    fn settle(
        self: &Arc<Self>,
        mut turnstile: MutexGuard<'_, Turnstile<oneshot::Sender<Word>>>,
        now: Instant,
    ) {
        let next: Vec<_> = std::iter::from_fn(|| turnstile.next(now)).collect();
        self.live.store(turnstile.live(), Relaxed);
        self.streams.store(turnstile.streams(), Relaxed);
        self.queued.store(u32::try_from(turnstile.queued()).unwrap_or(u32::MAX), Relaxed);
        drop(turnstile);
        for (handler, waiter) in next {
            // One that left in this moment drops its permit, which so comes back.
            let _ = waiter.send(Ok(RequestPermit::new(self.clone(), handler)));
        }
    }

    /// When to come back: once the line that is there now is gone, spread by up to a quarter so that
    /// those who were refused together do not come back together.
    fn refuse(&self, reason: Reason, wait: Option<Duration>) -> Refusal {
        let Some(wait) = wait else { return reason.into() };
        let whole_s = u32::try_from(wait.as_secs_f64().ceil() as u64).unwrap_or(u32::MAX);
        let spread = self.refusals.fetch_add(1, Relaxed) % (whole_s.min(RETRY_S_MAX) / 4 + 1);
        let retry_after_s = whole_s.saturating_add(spread).clamp(1, RETRY_S_MAX);
        Refusal { retry_after_s: Some(retry_after_s), ..reason.into() }
    }
}

/// A place in the queue; dropped, it is left.
#[derive(Debug)]
pub(super) struct Place {
    /// The permit, or why there is none.
    pub(super) word: oneshot::Receiver<Word>,
    gate: Arc<Gate>,
    handler: HandlerKey,
    ticket: Ticket,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.gate.leave(self.handler, self.ticket);
    }
}
