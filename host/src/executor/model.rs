//! The scheduler under a model checker: `shuttle` runs its threads one step at a time, in thousands
//! of random orders, and calls it a deadlock when nobody can go on, which is what a lost wake-up and
//! a lost job look like. The sources are the executor's own; only the primitives of `sync.rs` are
//! the checker's. A failure prints a schedule for `shuttle::replay`.

#![allow(clippy::duplicate_mod, reason = "the executor's modules once more, on the checker's primitives")]
#![allow(dead_code, unreachable_pub, reason = "and used in part")]

use super::{class, crowd, progress, reaper, turns};
use crate::sandbox::Budget;
use crate::telemetry::Exchange;
use class::{Class, Thresholds};
use handle::JobHandle;
use job::JobContext;
use scheduler::Scheduler;
use shuttle::sync::{Condvar, Mutex};
use std::future::Future;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

#[path = "detached.rs"]
mod detached;
#[path = "handle.rs"]
mod handle;
#[path = "inbox.rs"]
mod inbox;
#[path = "job.rs"]
mod job;
#[path = "place.rs"]
mod place;
#[path = "run_queue.rs"]
mod run_queue;
#[path = "scheduler.rs"]
mod scheduler;

/// The checker's primitives.
mod sync {
    pub(super) use arc_swap::ArcSwapOption;
    pub(super) use shuttle::sync::atomic::{AtomicBool, AtomicIsize, AtomicUsize};
    pub(super) use shuttle::sync::{Mutex, MutexGuard};
    pub(super) use shuttle::thread::{Thread, current, park, yield_now};
    pub(super) use shuttle::thread_local;
    use std::collections::VecDeque;

    /// Stands for a queue whose operations are one step each.
    #[derive(Debug)]
    pub(super) struct SegQueue<T>(Mutex<VecDeque<T>>);

    impl<T> Default for SegQueue<T> {
        fn default() -> Self {
            Self(Mutex::new(VecDeque::new()))
        }
    }

    impl<T> SegQueue<T> {
        pub(super) fn push(&self, item: T) {
            self.0.lock().expect("no panic while it is held").push_back(item);
        }

        pub(super) fn pop(&self) -> Option<T> {
            self.0.lock().expect("no panic while it is held").pop_front()
        }
    }
}

/// CPU time is booked by hand, in amounts beside which the real time of a poll is nothing.
const HOG_CPU_NS: u64 = 1 << 60;
const SCHEDULES: usize = 10_000;

/// How jobs ended: whether the guest had returned, and the class of the thread that dropped it.
#[derive(Default)]
struct Ends {
    ended: Mutex<Vec<(bool, Option<Class>)>>,
    more: Condvar,
}

impl Ends {
    fn wait_for(&self, count: usize) -> Vec<(bool, Option<Class>)> {
        let mut ended = self.ended.lock().expect("no panic while it is held");
        while ended.len() < count {
            ended = self.more.wait(ended).expect("no panic while it is held");
        }
        ended.clone()
    }
}

/// A guest that gives its thread back `yields` times before it returns.
struct Guest {
    yields: u32,
    returned: bool,
    ends: Arc<Ends>,
}

impl Future for Guest {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.yields == 0 {
            self.returned = true;
            return Poll::Ready(());
        }
        self.yields -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let end = (self.returned, Scheduler::class_here());
        self.ends.ended.lock().expect("no panic while it is held").push(end);
        self.ends.more.notify_all();
    }
}

struct Host {
    scheduler: Arc<Scheduler>,
    ends: Arc<Ends>,
    threads: Vec<shuttle::thread::JoinHandle<()>>,
}

impl Host {
    /// A host with `shards` threads to a class, of which those of `classes` run.
    fn new(shards: u32, classes: &[Class]) -> Self {
        let hog_after = Duration::from_nanos(HOG_CPU_NS);
        let shards = NonZeroU32::new(shards).expect("a shard");
        let scheduler = Arc::new(Scheduler::new(shards, Thresholds::new(hog_after / 2, hog_after), || 0));
        let mut host = Self { scheduler, ends: Arc::default(), threads: Vec::new() };
        for &class in classes {
            for shard in 0..shards.get() as usize {
                let scheduler = host.scheduler.clone();
                host.threads.push(shuttle::thread::spawn(move || {
                    scheduler.sit(class, shard);
                    while let Some(job) = scheduler.next(class, shard) {
                        job.run();
                    }
                }));
            }
        }
        host
    }

    fn start(&self, cpu_ns: u64, yields: u32) -> JobHandle {
        let exchange = Exchange::sample();
        exchange.add_cpu(cpu_ns);
        let hour = Duration::from_secs(3600);
        let budget = Arc::new(Budget::new(hour, hour, exchange.clone()));
        let guest = Guest { yields, returned: false, ends: self.ends.clone() };
        JobHandle::start(&self.scheduler, &Arc::default(), JobContext::new(0, budget, exchange), guest, ())
    }

    fn shut_down(self) {
        self.scheduler.close();
        for thread in self.threads {
            thread.join().expect("an executor thread");
        }
        self.scheduler.clear();
    }
}

#[test]
fn a_thread_that_falls_asleep_is_woken_by_the_job_that_comes() {
    let check = || {
        let host = Host::new(2, &[Class::Fresh]);
        for count in 1..=3 {
            host.start(0, 0).detach();
            host.ends.wait_for(count);
        }
        host.shut_down();
    };
    shuttle::check_random(check, SCHEDULES);
    shuttle::check_pct(check, SCHEDULES, 3);
}

#[test]
fn no_job_is_lost_while_threads_requeue_and_steal() {
    let check = || {
        let host = Host::new(2, &[Class::Fresh, Class::Hog]);
        for cpu_ns in [HOG_CPU_NS, HOG_CPU_NS, 0] {
            host.start(cpu_ns, 2).detach();
        }
        let ends = host.ends.wait_for(3);
        assert!(ends.iter().all(|&(returned, _)| returned), "a guest was dropped unasked: {ends:?}");
        host.shut_down();
    };
    shuttle::check_random(check, SCHEDULES);
    shuttle::check_pct(check, SCHEDULES, 3);
}

/// The `hog` thread here takes a job once and then gets no CPU any more.
#[test]
fn a_cancelled_job_ends_on_a_fresh_thread_whatever_the_hogs_do() {
    let check = || {
        let host = Host::new(1, &[Class::Fresh]);
        let job = host.start(HOG_CPU_NS, u32::MAX);
        let scheduler = host.scheduler.clone();
        let hog = shuttle::thread::spawn(move || {
            scheduler.sit(Class::Hog, 0);
            if let Some(job) = scheduler.queue(Class::Hog).take(0) {
                job.run();
            }
        });
        drop(job);
        assert_eq!(host.ends.wait_for(1), [(false, Some(Class::Fresh))]);
        hog.join().expect("the hog thread");
        host.shut_down();
    };
    shuttle::check_random(check, SCHEDULES);
    shuttle::check_pct(check, SCHEDULES, 3);
}

#[test]
fn jobs_that_end_while_others_take_them_end_once() {
    let check = || {
        let host = Host::new(2, &[Class::Fresh, Class::Hog]);
        let jobs = [host.start(HOG_CPU_NS, 3), host.start(HOG_CPU_NS, 3)];
        let cancelling = shuttle::thread::spawn(move || drop(jobs));
        cancelling.join().expect("the client");
        host.ends.wait_for(2);
        let ends = host.ends.clone();
        host.shut_down();
        assert_eq!(ends.wait_for(2).len(), 2);
    };
    shuttle::check_random(check, SCHEDULES);
    shuttle::check_pct(check, SCHEDULES, 3);
}

#[test]
fn shutdown_drops_every_job_even_one_that_is_woken_after_it() {
    let check = || {
        let host = Host::new(1, &[Class::Fresh, Class::Hog]);
        let jobs = [host.start(HOG_CPU_NS, 4), host.start(0, 4), host.start(0, 0)];
        let cancelling = shuttle::thread::spawn(move || drop(jobs));
        let ends = host.ends.clone();
        host.shut_down();
        cancelling.join().expect("the client");
        assert_eq!(ends.wait_for(3).len(), 3);
    };
    shuttle::check_random(check, SCHEDULES);
    shuttle::check_pct(check, SCHEDULES, 3);
}
