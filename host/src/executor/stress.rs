//! The scheduler on real threads, as fast as they go: what a model checker is too slow to reach, and
//! what the real primitives do. Each test is over within seconds, or fails after `PATIENCE`.

use super::class::{Class, Thresholds};
use super::detached::Detached;
use super::handle::JobHandle;
use super::inbox::Inbox;
use super::job::JobContext;
use super::scheduler::Scheduler;
use crate::sandbox::{Budget, burn};
use crate::telemetry::Exchange;
use std::future::Future;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const THREADS: u32 = 2;
const PATIENCE: Duration = Duration::from_secs(60);
/// Books a job into a class; the real CPU time of these tests is nothing beside it.
const CLASS_CPU_NS: u64 = 1 << 60;

/// What a guest does at each poll before it returns.
#[derive(Clone, Copy)]
enum Habit {
    /// Comes back at once, so many times.
    Yields(u32),
    /// Waits until a test wakes it, which it may do after the shutdown.
    Waits,
}

/// What the guests of a test have in common.
struct Shared {
    /// By job: polls under way, and drops of its guest.
    polled: Vec<AtomicU32>,
    dropped: Vec<AtomicU32>,
    low_drops: AtomicUsize,
    waiting: Mutex<Vec<Waker>>,
    ended: Mutex<Sender<usize>>,
}

struct Guest {
    id: usize,
    habit: Habit,
    shared: Arc<Shared>,
}

impl Future for Guest {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let id = self.id;
        assert_eq!(self.shared.polled[id].fetch_add(1, SeqCst), 0, "polled by two threads at once");
        let polled = match &mut self.habit {
            Habit::Yields(0) => Poll::Ready(()),
            Habit::Yields(left) => {
                *left -= 1;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Habit::Waits => {
                self.shared.waiting.lock().expect("waiting").push(cx.waker().clone());
                Poll::Pending
            }
        };
        self.shared.polled[id].fetch_sub(1, SeqCst);
        polled
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.shared.dropped[self.id].fetch_add(1, SeqCst);
        self.shared.low_drops.fetch_add(usize::from(Scheduler::low_class_here()), SeqCst);
        let _ = self.shared.ended.lock().expect("ended").send(self.id);
    }
}

struct Host {
    detached: Arc<Detached>,
    scheduler: Arc<Scheduler>,
    threads: Vec<JoinHandle<()>>,
    shared: Arc<Shared>,
    ended: Receiver<usize>,
}

impl Host {
    fn new(jobs_max: usize) -> Self {
        let cpu = Duration::from_nanos(CLASS_CPU_NS);
        let shards = NonZeroU32::new(THREADS).expect("a thread");
        let scheduler = Arc::new(Scheduler::new(shards, Thresholds::new(cpu, 2 * cpu), || 0));
        let seats =
            Class::ALL.into_iter().flat_map(|class| (0..THREADS as usize).map(move |shard| (class, shard)));
        let run = |(class, shard)| {
            let scheduler = scheduler.clone();
            std::thread::spawn(move || {
                scheduler.sit(class, shard);
                while let Some(job) = scheduler.next(class, shard) {
                    job.run();
                }
            })
        };
        let threads = seats.map(run).collect();
        let (tx, ended) = channel();
        let counts = || (0..jobs_max).map(|_| AtomicU32::new(0)).collect();
        let shared = Shared {
            polled: counts(),
            dropped: counts(),
            low_drops: AtomicUsize::new(0),
            waiting: Mutex::default(),
            ended: Mutex::new(tx),
        };
        Self { scheduler, threads, detached: Arc::default(), shared: Arc::new(shared), ended }
    }

    fn start(&self, id: usize, class: Class, habit: Habit) -> JobHandle {
        start(&self.scheduler, &self.detached, &self.shared, id, class, habit)
    }

    fn ended(&self) -> usize {
        self.ended.recv_timeout(PATIENCE).expect("a job was lost, or nobody woke up for it")
    }

    fn shut_down(&mut self) {
        self.scheduler.close();
        for thread in self.threads.drain(..) {
            thread.join().expect("an executor thread");
        }
        self.scheduler.clear();
        self.detached.close();
    }

    /// What must hold at the end of every test.
    fn audit(&self, jobs: usize) {
        let drops = self.shared.dropped[..jobs].iter().map(|count| count.load(SeqCst));
        assert_eq!(drops.filter(|&count| count != 1).count(), 0, "every guest is dropped once");
        assert_eq!(self.shared.low_drops.load(SeqCst), 0, "and by no thread of a low class");
    }
}

fn start(
    scheduler: &Arc<Scheduler>,
    detached: &Arc<Detached>,
    shared: &Arc<Shared>,
    id: usize,
    class: Class,
    habit: Habit,
) -> JobHandle {
    let exchange = Exchange::sample();
    exchange.add_cpu(CLASS_CPU_NS * class.index() as u64);
    let budget = Arc::new(Budget::new(PATIENCE, PATIENCE, exchange.clone()));
    let guest = Guest { id, habit, shared: shared.clone() };
    JobHandle::start(scheduler, detached, JobContext::new(id as u64 % 3, budget, exchange), guest, ())
}

#[test]
fn whoever_sleeps_is_woken_by_a_single_job() {
    const ROUNDS: usize = 30_000;
    let mut host = Host::new(ROUNDS);
    for id in 0..ROUNDS {
        // After a varying time, so that the threads are met on every step of their way to sleep.
        (0..id % 97 * 20).for_each(|_| std::hint::spin_loop());
        host.start(id, Class::ALL[id % 3], Habit::Yields(id as u32 % 2)).detach();
        assert_eq!(host.ended(), id);
    }
    host.shut_down();
    host.audit(ROUNDS);
}

#[test]
fn no_job_is_lost_or_run_twice_while_all_push_take_and_cancel() {
    const CLIENTS: usize = 3;
    const EACH: usize = 20_000;
    let mut host = Host::new(CLIENTS * EACH);
    let clients = (0..CLIENTS).map(|client| {
        let (scheduler, detached, shared) =
            (host.scheduler.clone(), host.detached.clone(), host.shared.clone());
        std::thread::spawn(move || {
            let mut waited_for = std::collections::VecDeque::new();
            for id in client * EACH..(client + 1) * EACH {
                let job = start(
                    &scheduler,
                    &detached,
                    &shared,
                    id,
                    Class::ALL[id / 3 % 3],
                    Habit::Yields(id as u32 % 7),
                );
                match id % 4 {
                    0 => drop(job),
                    1 => waited_for.push_back(job),
                    _ => job.detach(),
                }
                // A few jobs later it is queued, running or gone.
                if waited_for.len() > id % 16 {
                    waited_for.pop_front();
                }
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.join().expect("a client");
    }
    for _ in 0..CLIENTS * EACH {
        host.ended();
    }
    host.shut_down();
    host.audit(CLIENTS * EACH);
}

#[test]
fn a_shutdown_leaves_no_job_behind() {
    const ROUNDS: usize = 500;
    const JOBS: usize = 24;
    let began = Instant::now();
    for round in 0..ROUNDS {
        let mut host = Host::new(JOBS);
        let habit = |id| if id % 3 == 0 { Habit::Waits } else { Habit::Yields(id as u32 * 10) };
        let mut jobs: Vec<_> = (0..JOBS).map(|id| host.start(id, Class::ALL[id % 3], habit(id))).collect();
        let kept = jobs.split_off(JOBS / 2);
        let client = std::thread::spawn(move || {
            (0..round % 50 * 40).for_each(|_| std::hint::spin_loop());
            drop(jobs);
        });
        host.shut_down();
        client.join().expect("a client");
        // Jobs that wait are still there; they end when they are woken, or nobody can wake them.
        kept.into_iter().for_each(JobHandle::detach);
        let waiting = std::mem::take(&mut *host.shared.waiting.lock().expect("waiting"));
        for (index, waker) in waiting.into_iter().enumerate() {
            if index % 2 == 0 {
                waker.wake();
            }
        }
        let weak = Arc::downgrade(&host.scheduler);
        host.audit(JOBS);
        drop(host);
        assert_eq!(weak.strong_count(), 0, "round {round}: queue and jobs keep each other");
    }
    assert!(began.elapsed() < PATIENCE);
}

#[test]
fn what_a_thread_does_until_there_is_a_job_is_no_guests_time() {
    let long = Duration::from_millis(20);
    let scheduler = Arc::new(Scheduler::new(NonZeroU32::MIN, Thresholds::new(PATIENCE, PATIENCE), || 0));
    let (exchange, waiting) = (Exchange::sample(), scheduler.clone());
    let budget = Arc::new(Budget::new(PATIENCE, PATIENCE, exchange.clone()));
    let thread = std::thread::spawn({
        let budget = budget.clone();
        move || {
            waiting.sit(Class::Fresh, 0);
            budget.begin_poll();
            budget.end_poll();
            burn(long);
            waiting.next(Class::Fresh, 0).expect("a job").run();
        }
    });
    while !scheduler.rests() {
        std::thread::yield_now();
    }
    let context = JobContext::new(1, budget, exchange.clone());
    JobHandle::start(&scheduler, &Arc::default(), context, async {}, ()).detach();
    thread.join().expect("no panic");
    assert!(Duration::from_nanos(exchange.cpu_ns()) < long);
}

/// Makes the calling thread one of a low class.
fn sit_low() {
    let thresholds = Thresholds::new(Duration::ZERO, Duration::ZERO);
    Scheduler::new(NonZeroU32::MIN, thresholds, || 0).sit(Class::Hog, 0);
}

#[test]
fn what_arrives_comes_out_in_order_however_much_it_is() {
    const COUNT: usize = 300_000;
    for low in [false, true] {
        let thread = std::thread::spawn(move || {
            if low {
                sit_low();
            }
            let (drained, dropped) = (Inbox::default(), Inbox::default());
            (0..COUNT).for_each(|item| drained.push(item));
            (0..COUNT).for_each(|item| dropped.push(item));
            let mut items = Vec::new();
            drained.drain(|item| items.push(item));
            drained.drain(|item| items.push(item));
            items
        });
        assert!(thread.join().expect("no panic").into_iter().eq(0..COUNT), "low class: {low}");
    }
}

#[test]
fn nothing_that_arrives_is_lost_or_doubled_while_classes_push_and_one_takes() {
    const PUSHERS: usize = 4;
    const EACH: usize = 50_000;
    let inbox = Inbox::default();
    let running = AtomicUsize::new(PUSHERS);
    std::thread::scope(|scope| {
        for pusher in 0..PUSHERS {
            let (inbox, running) = (&inbox, &running);
            scope.spawn(move || {
                if pusher % 2 == 0 {
                    sit_low();
                }
                (0..EACH).for_each(|item| inbox.push((pusher, item)));
                running.fetch_sub(1, SeqCst);
            });
        }
        let mut next = [0; PUSHERS];
        let mut last = false;
        while !last {
            last = running.load(SeqCst) == 0;
            inbox.drain(|(pusher, item)| {
                assert_eq!(item, next[pusher], "in the order of each pusher");
                next[pusher] += 1;
            });
        }
        assert_eq!(next, [EACH; PUSHERS]);
    });
}
