//! The guests of the simulation: what one plans to do, the future that does it, and the record of
//! what became of it. Their CPU time and their waits are virtual.

use super::machine::{LOOK, SLICE, now};
use crate::executor::class::Class;
use crate::executor::handle::JobHandle;
use crate::executor::scheduler::Scheduler;
use crate::executor::turns::HandlerKey;
use crate::sandbox::Budget;
use crate::telemetry::Exchange;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

/// What a guest does next.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Compute(u64),
    Wait(u64),
}

/// What a guest does, and what it may use.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) handler: HandlerKey,
    pub(super) steps: VecDeque<Step>,
    pub(super) cpu_max: u64,
    /// When its client stops waiting.
    pub(super) deadline: Option<u64>,
}

impl Plan {
    pub(super) fn new(handler: HandlerKey, steps: impl IntoIterator<Item = Step>) -> Self {
        Self { handler, steps: steps.into_iter().collect(), cpu_max: u64::MAX, deadline: None }
    }

    pub(super) fn compute(handler: HandlerKey, cpu: u64) -> Self {
        Self::new(handler, [Step::Compute(cpu)])
    }

    /// Loops for ever.
    pub(super) fn spin(handler: HandlerKey) -> Self {
        Self::compute(handler, u64::MAX)
    }
}

/// The end of a job that is not of its own making.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    /// When it was asked for, or when the poll ended that was under way then.
    pub(super) at: u64,
    /// Jobs alive at that time, this one included.
    pub(super) alive: usize,
}

/// What became of a job.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) plan: Plan,
    pub(super) arrived: Option<u64>,
    pub(super) cpu: u64,
    /// What its current poll may use.
    granted: u64,
    alive_jobs: usize,
    pub(super) alarm: Option<(u64, Waker)>,
    /// Since when it is ready to be polled, and the longest that it was.
    pub(super) ready_since: Option<u64>,
    pub(super) ready_max: u64,
    pub(super) first_poll: Option<u64>,
    pub(super) class: Class,
    pub(super) moved_up: bool,
    /// The client goes away in the poll that is under way.
    pub(super) cancel_in_poll: bool,
    pub(super) asked: Option<Asked>,
    pub(super) returned: bool,
    /// When and where its guest was dropped, each time.
    pub(super) drops: Vec<(u64, Option<Class>)>,
    pub(super) permits_returned: u32,
}

pub(super) fn lock(record: &Mutex<Record>) -> MutexGuard<'_, Record> {
    record.lock().expect("record: nothing panics while it is held")
}

impl Record {
    pub(super) fn new(plan: Plan) -> Self {
        Self {
            plan,
            arrived: None,
            cpu: 0,
            granted: 0,
            alive_jobs: 0,
            alarm: None,
            ready_since: None,
            ready_max: 0,
            first_poll: None,
            class: Class::Fresh,
            moved_up: false,
            cancel_in_poll: false,
            asked: None,
            returned: false,
            drops: Vec::new(),
            permits_returned: 0,
        }
    }

    /// Whether it arrived, and its guest is still there.
    pub(super) fn alive(&self) -> bool {
        self.arrived.is_some() && self.permits_returned == 0
    }

    pub(super) fn ask(&mut self, at: u64, alive: usize) {
        self.asked.get_or_insert(Asked { at, alive });
    }

    /// A thread takes the job, to poll it; returns how long the poll will take of its CPU time.
    pub(super) fn grant(&mut self, alive_jobs: usize) -> u64 {
        if let Some(since) = self.ready_since.take() {
            self.ready_max = self.ready_max.max(now() - since);
        }
        self.alive_jobs = alive_jobs;
        self.granted = match self.plan.steps.front() {
            Some(Step::Compute(cpu)) if self.asked.is_none() && !self.returned => (*cpu).clamp(1, SLICE),
            Some(Step::Compute(_) | Step::Wait(_)) | None => LOOK,
        };
        self.granted
    }

    /// Uses what was granted; returns how long it then waits, if it does.
    fn advance(&mut self) -> Option<u64> {
        if let Some(Step::Compute(left)) = self.plan.steps.front_mut() {
            *left = if *left == u64::MAX { u64::MAX } else { left.saturating_sub(self.granted) };
            self.plan.steps.pop_front_if(|step| matches!(step, Step::Compute(0)));
        }
        match self.plan.steps.front() {
            Some(&Step::Wait(time)) => {
                self.plan.steps.pop_front();
                Some(time)
            }
            Some(Step::Compute(_)) | None => None,
        }
    }
}

/// Who waits for a job.
#[derive(Clone, Default)]
pub(super) struct Client(Arc<Mutex<Option<JobHandle>>>);

impl Client {
    pub(super) fn waits(&self, handle: JobHandle) {
        *self.handle() = Some(handle);
    }

    pub(super) fn go_away(&self) {
        let handle = self.handle().take();
        drop(handle);
    }

    fn handle(&self) -> MutexGuard<'_, Option<JobHandle>> {
        self.0.lock().expect("client: nothing panics while it is held")
    }
}

/// The future of a simulated guest. A poll happens at the end of the CPU time that it uses.
pub(super) struct Guest {
    pub(super) record: Arc<Mutex<Record>>,
    pub(super) client: Client,
    pub(super) budget: Arc<Budget>,
    pub(super) exchange: Arc<Exchange>,
}

impl Future for Guest {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let class = Scheduler::class_here().expect("only executor threads poll guests");
        let mut record = lock(&self.record);
        if record.returned {
            return Poll::Ready(());
        }
        record.moved_up |= class < record.class;
        record.class = class;
        record.first_poll.get_or_insert(now());
        record.cpu += record.granted;
        self.exchange.add_cpu(record.granted);
        if std::mem::take(&mut record.cancel_in_poll) {
            let alive = record.alive_jobs;
            record.ask(now(), alive);
            drop(record);
            self.client.go_away();
            record = lock(&self.record);
        }
        if let Some(time) = record.advance() {
            record.alarm = Some((now() + time, cx.waker().clone()));
            return Poll::Pending;
        }
        // What follows is what `sandbox::invoke` does.
        record.ready_since = Some(now());
        if record.plan.steps.is_empty() {
            record.returned = true;
            if class == Class::Fresh {
                return Poll::Ready(());
            }
            self.budget.finish();
        } else if record.cpu >= record.plan.cpu_max {
            let alive = record.alive_jobs;
            record.ask(now(), alive);
            self.budget.stop();
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        lock(&self.record).drops.push((now(), Scheduler::class_here()));
    }
}

/// What a job holds until its guest is gone.
pub(super) struct Permit(pub(super) Arc<Mutex<Record>>);

impl Drop for Permit {
    fn drop(&mut self) {
        lock(&self.0).permits_returned += 1;
    }
}
