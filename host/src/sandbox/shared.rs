//! Instances of WASI 0.3 that serve several requests at once, as their requests see them: which one has room,
//! and how a request gets into it.
//!
//! Each is driven by a job of its own, which polls the guest for all of them. That may be on a thread of a low
//! class: so what is shared with it takes no lock.

mod driver;
mod seats;
mod ticket;

use super::answer::GuestHead;
use super::body::BodyError;
use super::session::Session;
use atomic_waker::AtomicWaker;
use bytes::Bytes;
use crossbeam_queue::SegQueue;
use http_body_util::combinators::UnsyncBoxBody;
use std::any::Any;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use tokio::sync::oneshot;

pub use driver::Work;
pub(super) use seats::{Seats, tick};
pub use ticket::share;

/// Slices that a guest may compute without waiting before others go elsewhere.
const BUSY_SLICES: u32 = 10;
/// Nobody comes in any more. Below it is how many of those inside nobody waits for, and how many are inside.
/// The number of the abandoned is at the top, since it may be below zero for a moment.
const CLOSED: u64 = 1 << 31;
const ABANDONED: u64 = 1 << 32;

/// The shared instances of one handler. Its lock is held for a look, by threads of normal priority.
#[derive(Default)]
pub(super) struct Crews(Mutex<Vec<Arc<Shared>>>);

/// One shared instance.
pub(super) struct Shared {
    concurrency: u64,
    /// [`CLOSED`], and how many requests are inside or on their way, and how many of them are [`ABANDONED`].
    state: AtomicU64,
    /// Those on their way. Bounded by `concurrency`.
    inbox: SegQueue<Arrival>,
    driver: AtomicWaker,
    /// How many slices the guest has computed without waiting, and for which seat.
    slices: AtomicU32,
    computing: AtomicU64,
    /// The driver's job, which ends when this is dropped.
    job: Mutex<Option<Box<dyn Any + Send>>>,
}

/// A request that is not given to the guest yet.
pub(super) struct Arrival {
    request: http::Request<UnsyncBoxBody<Bytes, BodyError>>,
    answer: oneshot::Sender<GuestHead>,
    seat: Seat,
    done: oneshot::Sender<Done>,
}

/// A request in a shared instance. Numbers begin at 1.
#[derive(Clone)]
pub(super) struct Seat {
    number: u64,
    session: Session,
    /// Who was the first to go: the one who waits for it, or the guest.
    parted: Arc<AtomicU8>,
    /// The instance was lost after all of the answer had left the guest.
    whole: Arc<AtomicBool>,
}

/// What [`Seat::parted`] holds.
const TOGETHER: u8 = 0;
const BY_WAITER: u8 = 1;
const BY_GUEST: u8 = 2;

/// What became of a request in a shared instance; nothing is said if the instance was lost.
enum Done {
    /// The guest is not needed any more.
    Served,
    /// The guest has not seen it.
    Returned(Box<Arrival>),
}

impl Seat {
    /// Whether nobody waits for it any more.
    fn abandoned(&self) -> bool {
        self.parted.load(SeqCst) == BY_WAITER
    }
}

impl Crews {
    /// Takes a seat in an instance that has one, or in a new one, which is to be driven then.
    fn join(&self, concurrency: u32) -> (Arc<Shared>, bool) {
        let mut crews = self.lock();
        if let Some(shared) = crews.iter().find(|shared| shared.admit()) {
            return (shared.clone(), false);
        }
        let shared = Shared::new(concurrency);
        crews.push(shared.clone());
        (shared, true)
    }

    fn remove(&self, gone: &Arc<Shared>) {
        self.lock().retain(|shared| !Arc::ptr_eq(shared, gone));
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Shared>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// One with somebody inside.
    fn new(concurrency: u32) -> Arc<Self> {
        Arc::new(Self {
            concurrency: concurrency.into(),
            state: AtomicU64::new(1),
            inbox: SegQueue::new(),
            driver: AtomicWaker::new(),
            slices: AtomicU32::new(0),
            computing: AtomicU64::new(0),
            job: Mutex::default(),
        })
    }

    /// Lets one more in, if there is a seat and the guest is not busy.
    fn admit(&self) -> bool {
        let more =
            |state: u64| (state & CLOSED == 0 && inside(state) < self.concurrency).then_some(state + 1);
        self.slices.load(SeqCst) < BUSY_SLICES && self.state.fetch_update(SeqCst, SeqCst, more).is_ok()
    }

    /// Brings in one who was admitted.
    fn arrive(&self, arrival: Arrival) {
        self.inbox.push(arrival);
        if self.closed() {
            // Whoever closed it may have looked before: nobody else takes care of what is here.
            self.turn_away();
        }
        self.driver.wake();
    }

    /// Nobody comes in any more.
    fn close(&self) {
        self.state.fetch_or(CLOSED, SeqCst);
    }

    fn closed(&self) -> bool {
        self.state.load(SeqCst) & CLOSED != 0
    }

    /// How many are inside or on their way.
    fn inside(&self) -> u64 {
        inside(self.state.load(SeqCst))
    }

    /// Whether some are, and nobody waits for any of them. An instance without anybody who waits has nobody's
    /// permit: it has to give its place back.
    fn forsaken(&self) -> bool {
        let state = self.state.load(SeqCst);
        inside(state) > 0 && inside(state) == abandoned(state)
    }

    /// Closes it if nobody is inside or on their way.
    fn close_if_empty(&self) -> bool {
        let close = |state: u64| (inside(state) == 0).then_some(state | CLOSED);
        self.state.fetch_update(SeqCst, SeqCst, close).is_ok()
    }

    /// The guest is done with one; returns whether it was the last one.
    fn leave(&self, seat: &Seat) -> bool {
        let together = seat.parted.compare_exchange(TOGETHER, BY_GUEST, SeqCst, SeqCst).is_ok();
        let before = self.state.fetch_sub(if together { 1 } else { 1 + ABANDONED }, SeqCst);
        self.driver.wake();
        inside(before) == 1
    }

    /// Nobody waits for one any more. Never on a thread of a low class.
    fn abandon(&self, seat: &Seat) {
        if seat.parted.compare_exchange(TOGETHER, BY_WAITER, SeqCst, SeqCst).is_ok() {
            self.state.fetch_add(ABANDONED, SeqCst);
            if self.forsaken() {
                self.close();
                self.end();
            }
        }
    }

    /// Gives those back whom the guest has not seen.
    fn turn_away(&self) {
        while let Some(arrival) = self.inbox.pop() {
            self.leave(&arrival.seat);
            arrival.turn_away();
        }
    }

    /// Whoever drives it from now on is woken with `waker`.
    fn register(&self, waker: &Waker) {
        self.driver.register(waker);
    }

    /// The guest has computed for another slice, for the request of this seat; 0 is nobody's.
    fn computed(&self, number: u64) {
        self.computing.store(number, SeqCst);
        self.slices.fetch_add(1, SeqCst);
    }

    /// Polls the guest, and notes if it has come to wait: without a tick it was not preempted.
    fn watch<T>(&self, poll: impl FnOnce() -> T) -> T {
        let before = self.slices.load(SeqCst);
        let polled = poll();
        if self.slices.load(SeqCst) == before {
            self.slices.store(0, SeqCst);
            self.computing.store(0, SeqCst);
        }
        polled
    }

    /// The request of this seat has no more time: if the guest computes for it, all of it goes.
    fn overdue(&self, number: u64) {
        self.close();
        if self.computing.load(SeqCst) == number {
            self.end();
        }
    }

    /// Keeps the driver's job.
    fn hold(&self, job: Box<dyn Any + Send>) {
        *self.job.lock().unwrap_or_else(PoisonError::into_inner) = Some(job);
    }

    /// Ends the driver's job. Never on a thread of a low class.
    fn end(&self) {
        let job = self.job.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(job);
    }
}

fn inside(state: u64) -> u64 {
    state % CLOSED
}

fn abandoned(state: u64) -> u64 {
    state / ABANDONED
}

impl Arrival {
    fn turn_away(self) {
        let done = oneshot::channel().0;
        let Self { request, answer, seat, done: told } = self;
        // Nobody listens if the client went away.
        let _ = told.send(Done::Returned(Box::new(Self { request, answer, seat, done })));
    }
}
