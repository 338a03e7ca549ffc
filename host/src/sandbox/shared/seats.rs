//! The requests inside a shared instance, as its store knows them: which task of the guest is whose, what each
//! has used, and whose fault it is if all have to go.

use super::{Done, Seat, Shared};
use crate::outcome::{Outcome, Reason};
use crate::sandbox::invoke::after_answer;
use crate::sandbox::passage::Passage;
use crate::sandbox::session::Session;
use crate::sandbox::state::HostState;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::sync::oneshot;
use wasmtime::StoreContextMut;
use wasmtime::component::GuestTaskId;

/// Bounded by the instance's concurrency.
pub(in crate::sandbox) struct Seats {
    shared: Arc<Shared>,
    inside: Vec<Inside>,
    /// CPU time of the driver that is booked on a request, or was.
    booked_ns: u64,
    /// A task is left whose request is over.
    spoilt: bool,
    /// The last one who left, while the guest goes on with what it does after its answers: it waits for that,
    /// and is told at the end. Without it nobody does.
    pub(super) retained: Option<(Seat, oneshot::Sender<Done>)>,
    /// Who has to go, with all others, and why.
    culprit: Option<(u64, Reason)>,
}

struct Inside {
    seat: Seat,
    task: GuestTaskId,
    passage: Option<Arc<Passage>>,
    used_ns: u64,
}

impl Seats {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, inside: Vec::new(), booked_ns: 0, spoilt: false, retained: None, culprit: None }
    }

    /// The request of `seat` was given to `task`.
    pub(super) fn enter(&mut self, seat: Seat, task: GuestTaskId) {
        self.inside.push(Inside { seat, task, passage: None, used_ns: 0 });
    }

    /// When the last of them has to be done; now if nobody is inside.
    pub(super) fn deadline(&self) -> Instant {
        let deadlines = self.inside.iter().map(|inside| inside.seat.session.budget.deadline);
        deadlines.max().unwrap_or_else(Instant::now)
    }

    /// The request of this seat was answered with what `passage` carries.
    pub(super) fn answered(&mut self, number: u64, passage: Arc<Passage>) {
        if let Some(inside) = self.inside.iter_mut().find(|inside| inside.seat.number == number) {
            inside.passage = Some(passage);
        }
    }

    /// The request of this seat is over; its task may not be. `total_ns` is what the driver has used; returns
    /// what of it was the request's.
    pub(in crate::sandbox) fn leave(&mut self, number: u64, total_ns: u64, task_left: bool) -> u64 {
        self.spoilt |= task_left;
        let Some(place) = self.inside.iter().position(|inside| inside.seat.number == number) else {
            return 0;
        };
        // What no tick has seen is divided.
        let share = total_ns.saturating_sub(self.booked_ns) / self.inside.len() as u64;
        let gone = self.inside.swap_remove(place);
        gone.seat.session.exchange.add_cpu(share);
        let used_ns = gone.used_ns + share;
        // The driver's own record gives it up.
        self.booked_ns = self.booked_ns.saturating_sub(gone.used_ns);
        used_ns
    }

    /// Somebody is inside again, or the guest does nothing any more: who waited for that need not.
    pub(super) fn release(&mut self) {
        if let Some((_, done)) = self.retained.take() {
            // Nobody listens if the client went away.
            let _ = done.send(Done::Served);
        }
    }

    /// Waits until nobody waits any more for what the guest does after its answers.
    pub(super) fn poll_unwanted(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.retained.as_mut().map_or(Poll::Ready(()), |(_, done)| done.poll_closed(cx))
    }

    /// What is left of the guest's tasks is not waited for.
    pub(super) fn spoil(&mut self) {
        self.spoilt = true;
    }

    /// Whether a task is left whose request is over.
    pub(super) fn spoilt(&self) -> bool {
        self.spoilt
    }

    /// The guest failed. Whose request it was computing for is known if there is one only.
    pub(super) fn failed(&mut self, reason: Reason) {
        if let [only] = self.inside.as_slice()
            && !self.spoilt
        {
            self.culprit.get_or_insert((only.seat.number, reason));
        }
    }

    /// The instance goes down: every request in it is told why. To be called while the store is there, when no
    /// more of the guest will run.
    pub(super) fn lose(&mut self) {
        for inside in &self.inside {
            let number = inside.seat.number;
            let reason = match self.culprit {
                Some((culprit, reason)) if culprit == number => reason,
                Some(_) | None => Reason::InstanceLost,
            };
            let exchange = &inside.seat.session.exchange;
            let whole = inside.passage.as_ref().is_some_and(|passage| passage.settle());
            if whole {
                inside.seat.whole.store(true, SeqCst);
            }
            if reason == Reason::InstanceLost && inside.seat.abandoned() {
                // Whoever stopped waiting knows why.
                continue;
            }
            if !whole && exchange.outcome() != Some(Outcome::Answered) {
                exchange.fail(reason);
            } else if reason != Reason::InstanceLost {
                exchange.ended_after_answer(after_answer(reason));
            }
        }
    }

    /// The guest has computed for `slice_ns` for a request that was answered; returns whether that is to end. It
    /// has the time of the one who left last, while nobody is inside, and ends with those who are otherwise.
    fn after_answer(&mut self, total_ns: u64, slice_ns: u64) -> bool {
        let last = self.retained.as_ref().filter(|(_, done)| !done.is_closed());
        let Some((seat, _)) = last else {
            self.shared.computed(0);
            return self.spoilt || self.inside.is_empty();
        };
        self.booked_ns = total_ns;
        let Session { budget, exchange } = &seat.session;
        exchange.add_cpu(slice_ns);
        self.shared.computed(seat.number);
        let spent = budget.spent_by_now();
        if let Some(reason) = spent {
            exchange.ended_after_answer(after_answer(reason));
        }
        spent.is_some()
    }

    /// Tells the connections of those who are left how their bodies ended.
    pub(in crate::sandbox) fn tell(&self) {
        self.inside.iter().filter_map(|inside| inside.passage.as_ref()).for_each(|passage| passage.tell());
    }
}

/// The guest has computed for a slice: books it, and ends the instance if that was too much for the request it
/// computes for.
pub(in crate::sandbox) fn tick(mut store: StoreContextMut<'_, HostState>) {
    let task = store.async_call_stack().ok().and_then(Iterator::last);
    let state = store.data_mut();
    let (driver, Some(seats)) = (&state.session, &mut state.seats) else { return };
    let total_ns = driver.exchange.cpu_ns() + driver.budget.poll_cpu_ns();
    let slice_ns = total_ns.saturating_sub(seats.booked_ns);
    let Some(inside) = seats.inside.iter_mut().find(|inside| Some(inside.task) == task) else {
        if seats.after_answer(total_ns, slice_ns) {
            seats.shared.close();
            driver.budget.stop();
        }
        return;
    };
    seats.booked_ns = total_ns;
    inside.used_ns += slice_ns;
    let Seat { number, session, .. } = &inside.seat;
    session.exchange.add_cpu(slice_ns);
    seats.shared.computed(*number);
    let killed = session.exchange.failure().filter(|reason| *reason == Reason::Killed);
    if let Some(reason) = session.budget.spent_by_now().or(killed) {
        seats.culprit = Some((*number, reason));
        seats.shared.close();
        driver.budget.stop();
    }
}
