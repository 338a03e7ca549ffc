//! A machine of the simulation: a virtual clock, a kernel that shares cores out by weight, and the
//! executor's threads, which take jobs from the real queues and poll them.

use super::guest::{Client, Guest, Permit, Plan, Record, lock};
use crate::executor::class::{Class, Thresholds};
use crate::executor::handle::JobHandle;
use crate::executor::job::{JobContext, Runnable};
use crate::executor::scheduler::Scheduler;
use crate::sandbox::Budget;
use crate::telemetry::{Exchange, HandlerStats, RequestHead, RequestId};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// A virtual millisecond: so long that the real CPU time of a poll, which is booked too, is nothing.
pub(super) const MS: u64 = 1_000_000_000_000;
/// The longest poll: then the ticker takes the thread back.
pub(super) const SLICE: u64 = MS;
pub(super) const BUSY_AFTER: u64 = 2 * MS;
pub(super) const HOG_AFTER: u64 = 20 * MS;
/// What a look for work costs that finds none, and what it costs to drop a guest.
pub(super) const LOOK: u64 = MS / 100;
/// More than any workload here needs: beyond it, threads are awake for nothing.
const STEPS_MAX: u32 = 200_000;

thread_local! {
    static NOW: Cell<u64> = const { Cell::new(0) };
}

/// The virtual clock.
pub(super) fn now() -> u64 {
    NOW.get()
}

/// What happens to the machine from outside.
#[derive(Debug)]
pub(super) enum Event {
    Arrive(usize),
    /// The client goes away: at once, or in the middle of the poll that is under way.
    Cancel {
        id: usize,
        in_poll: bool,
    },
    /// Another weight for a class of threads; none means that the kernel does not run them at all.
    Weigh(Class, u64),
}

#[derive(Debug)]
enum State {
    Asleep,
    Looking,
    Polling { job: Runnable, id: usize, left: u64 },
}

#[derive(Debug)]
struct Thread {
    class: Class,
    shard: usize,
    /// Time on a core, divided by the weight: the kernel runs whoever has least.
    virtual_runtime: u128,
    state: State,
}

pub(super) struct Machine {
    cores: usize,
    pub(super) scheduler: Arc<Scheduler>,
    weights: [u64; 3],
    threads: Vec<Thread>,
    /// By time, and by number where that is the same.
    events: BTreeMap<(u64, usize), Event>,
    events_made: usize,
    pub(super) jobs: Vec<Arc<Mutex<Record>>>,
    clients: Vec<Client>,
    steps: u32,
}

impl Machine {
    /// A machine whose kernel knows nice 0, nice 5 and `SCHED_IDLE`.
    pub(super) fn new(cores: usize) -> Self {
        NOW.set(0);
        let shards = u32::try_from(cores).ok().and_then(NonZeroU32::new).expect("a core");
        let thresholds = Thresholds::new(Duration::from_nanos(BUSY_AFTER), Duration::from_nanos(HOG_AFTER));
        let seats = Class::ALL.into_iter().flat_map(|class| (0..cores).map(move |shard| (class, shard)));
        let thread = |(class, shard)| Thread { class, shard, virtual_runtime: 0, state: State::Looking };
        Self {
            cores,
            scheduler: Arc::new(Scheduler::new(shards, thresholds, now)),
            weights: [1024, 335, 3],
            threads: seats.map(thread).collect(),
            events: BTreeMap::new(),
            events_made: 0,
            jobs: Vec::new(),
            clients: Vec::new(),
            steps: 0,
        }
    }

    pub(super) fn at(&mut self, time: u64, event: Event) {
        self.events.insert((time, self.events_made), event);
        self.events_made += 1;
    }

    /// A job arrives at `time`, and its client waits for it.
    pub(super) fn arrives(&mut self, time: u64, plan: Plan) -> usize {
        let id = self.jobs.len();
        if let Some(deadline) = plan.deadline {
            self.at(deadline, Event::Cancel { id, in_poll: false });
        }
        self.jobs.push(Arc::new(Mutex::new(Record::new(plan))));
        self.clients.push(Client::default());
        self.at(time, Event::Arrive(id));
        id
    }

    pub(super) fn job(&self, id: usize) -> MutexGuard<'_, Record> {
        lock(&self.jobs[id])
    }

    pub(super) fn alive(&self) -> usize {
        self.jobs.iter().filter(|job| lock(job).alive()).count()
    }

    /// Goes on until every job is gone and nothing more is due.
    pub(super) fn run(&mut self) {
        loop {
            self.happen();
            if self.events.is_empty() && self.alive() == 0 {
                return;
            }
            self.step(u64::MAX);
        }
    }

    pub(super) fn run_until(&mut self, time: u64) {
        while now() < time {
            self.step(time);
        }
    }

    fn step(&mut self, until: u64) {
        self.steps += 1;
        assert!(self.steps < STEPS_MAX, "threads are awake for nothing");
        self.happen();
        let running = self.fill_cores();
        let polls = running.iter().map(|&index| match self.threads[index].state {
            State::Polling { left, .. } => now() + left,
            State::Asleep | State::Looking => now() + LOOK,
        });
        let alarms = self.jobs.iter().filter_map(|job| lock(job).alarm.as_ref().map(|&(time, _)| time));
        let events = self.events.keys().map(|&(time, _)| time).take(1);
        let next = polls.chain(alarms).chain(events).min().unwrap_or(u64::MAX).min(until);
        assert_ne!(next, u64::MAX, "{} jobs are alive, and nobody will poll them", self.alive());
        let elapsed = next - now();
        NOW.set(next);
        for index in running {
            self.spend(index, elapsed);
        }
    }

    /// Delivers what is due, on no thread of the executor.
    fn happen(&mut self) {
        for job in &self.jobs {
            let alarm = lock(job).alarm.take_if(|&mut (time, _)| time <= now());
            if let Some((_, waker)) = alarm {
                lock(job).ready_since = Some(now());
                waker.wake();
            }
        }
        while let Some(entry) = self.events.first_entry().filter(|entry| entry.key().0 <= now()) {
            match entry.remove() {
                Event::Arrive(id) => self.arrive(id),
                Event::Cancel { id, in_poll } => self.cancel(id, in_poll),
                Event::Weigh(class, weight) => self.weights[class.index()] = weight,
            }
        }
    }

    fn arrive(&mut self, id: usize) {
        let head = RequestHead {
            id: RequestId::from_client(None),
            trace: None,
            method: http::Method::GET,
            path: id.to_string(),
            handler: "simulated".into(),
        };
        let exchange = Exchange::new(head, Arc::new(HandlerStats::new(Duration::from_millis(1))));
        let hour = Duration::from_secs(3600);
        let budget = Arc::new(Budget::new(hour, hour, exchange.clone()));
        let record = &self.jobs[id];
        let handler = {
            let mut record = lock(record);
            record.arrived = Some(now());
            record.ready_since = Some(now());
            record.plan.handler
        };
        let context = JobContext::new(handler, budget.clone(), exchange.clone());
        let client = &self.clients[id];
        let guest = Guest { record: record.clone(), client: client.clone(), budget, exchange };
        let handle =
            JobHandle::start(&self.scheduler, &Arc::default(), context, guest, Permit(record.clone()));
        client.waits(handle);
    }

    fn cancel(&self, id: usize, in_poll: bool) {
        let alive = self.alive();
        let held = |thread: &Thread| matches!(thread.state, State::Polling { id: held, .. } if held == id);
        let polled = self.threads.iter().any(held);
        let mut record = self.job(id);
        if in_poll && polled {
            record.cancel_in_poll = true;
            return;
        }
        if record.alive() {
            // A poll that is under way goes on to its end: see `spend`.
            record.ask(if polled { u64::MAX } else { now() }, alive);
        }
        drop(record);
        self.clients[id].go_away();
    }

    /// Gives each core the thread that is due, after it has looked for work; returns who computes.
    fn fill_cores(&mut self) -> Vec<usize> {
        loop {
            self.wake_up();
            let mut due: Vec<_> = (0..self.threads.len()).filter(|&index| self.runnable(index)).collect();
            due.sort_by_key(|&index| (self.threads[index].virtual_runtime, index));
            due.truncate(self.cores);
            let mut fell_asleep = false;
            for &index in &due {
                fell_asleep |= self.look(index);
            }
            if !fell_asleep {
                return due;
            }
        }
    }

    fn runnable(&self, index: usize) -> bool {
        let thread = &self.threads[index];
        self.weights[thread.class.index()] > 0 && !matches!(thread.state, State::Asleep)
    }

    /// Notices whom the run queues have woken: such a thread runs before any that computes.
    fn wake_up(&mut self) {
        let runtimes = (0..self.threads.len()).filter(|&index| self.runnable(index));
        let least = runtimes.map(|index| self.threads[index].virtual_runtime).min().unwrap_or(0);
        for thread in &mut self.threads {
            let queue = self.scheduler.queue(thread.class);
            if matches!(thread.state, State::Asleep) && !queue.dozes(thread.shard) {
                queue.rouse(thread.shard);
                thread.state = State::Looking;
                thread.virtual_runtime = thread.virtual_runtime.max(least);
            }
        }
    }

    /// A thread without a job takes one; returns whether it fell asleep for want of one.
    fn look(&mut self, index: usize) -> bool {
        let alive = self.alive();
        let thread = &mut self.threads[index];
        if !matches!(thread.state, State::Looking) {
            return false;
        }
        let queue = self.scheduler.queue(thread.class);
        if let Some(job) = queue.take(thread.shard) {
            let id: usize = job.metadata().exchange.head.path.parse().expect("the path is the job's number");
            let left = lock(&self.jobs[id]).grant(alive);
            thread.state = State::Polling { job, id, left };
            false
        } else if queue.doze(thread.shard) {
            thread.state = State::Asleep;
            true
        } else {
            queue.rouse(thread.shard);
            false
        }
    }

    /// A thread has been on a core for a time; a poll that is through with its CPU time happens.
    fn spend(&mut self, index: usize, elapsed: u64) {
        let thread = &mut self.threads[index];
        let weight = self.weights[thread.class.index()];
        thread.virtual_runtime += u128::from(elapsed) * 1024 / u128::from(weight);
        let State::Polling { left, .. } = &mut thread.state else { return };
        *left -= elapsed;
        if *left > 0 {
            return;
        }
        let State::Polling { job, id, .. } = std::mem::replace(&mut thread.state, State::Looking) else {
            unreachable!("it was polling a line ago")
        };
        if let Some(asked) = &mut lock(&self.jobs[id]).asked {
            asked.at = asked.at.min(now());
        }
        self.scheduler.sit(thread.class, thread.shard);
        job.run();
        Scheduler::leave();
    }
}
