//! The scheduler in a simulated machine: the executor's own queues, jobs and handles, driven by
//! virtual threads on a virtual kernel and clock, so that every order of events can be had again from
//! its seed. `SIMULATION_SEED=17` runs one workload only.

#[path = "simulation/guest.rs"]
mod guest;
#[path = "simulation/machine.rs"]
mod machine;

use super::class::Class;
use guest::{Plan, Step, lock};
use machine::{BUSY_AFTER, Event, HOG_AFTER, LOOK, MS, Machine, SLICE, now};

const WORKLOADS: u64 = 10_000;

/// SplitMix64: <https://prng.di.unimi.it/splitmix64.c>.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to - from)
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }
}

/// Says which workload it was that failed.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("SIMULATION_SEED={}", self.0);
        }
    }
}

fn seeds() -> std::ops::Range<u64> {
    match std::env::var("SIMULATION_SEED") {
        Ok(seed) => {
            let seed = seed.parse().expect("SIMULATION_SEED is a number");
            seed..seed + 1
        }
        Err(_) => 0..WORKLOADS,
    }
}

/// Jobs of every kind, clients that go away at any time, and hogs that get no CPU for a while.
fn workload(random: &mut Random) -> Machine {
    let mut machine = Machine::new(random.between(1, 4) as usize);
    if random.one_in(4) {
        machine.scheduler.flatten();
    }
    let handlers = random.between(1, 5);
    for _ in 0..random.between(1, 25) {
        let arrival = random.below(60 * MS);
        let handler = random.below(handlers);
        let mut plan = match random.below(4) {
            0 => Plan::compute(handler, random.between(MS / 20, MS)),
            1 => Plan::compute(handler, random.between(MS, 50 * MS)),
            2 => {
                let mut steps = || {
                    // Some wait for longer than anything here may take.
                    let wait = if random.one_in(9) { 900 * MS } else { random.between(1, 9 * MS) };
                    [Step::Compute(random.between(1, 4 * MS)), Step::Wait(wait)]
                };
                Plan::new(handler, std::iter::repeat_with(&mut steps).take(6).flatten())
            }
            _ => Plan::spin(handler),
        };
        plan.cpu_max = random.between(MS, 60 * MS);
        if random.one_in(3) {
            plan.deadline = Some(arrival + random.between(1, 100 * MS));
        }
        let id = machine.arrives(arrival, plan);
        if random.one_in(3) {
            let time = arrival + random.below(80 * MS);
            machine.at(time, Event::Cancel { id, in_poll: random.one_in(2) });
        }
    }
    if random.one_in(2) {
        let from = random.below(60 * MS);
        machine.at(from, Event::Weigh(Class::Hog, 0));
        machine.at(from + random.below(100 * MS), Event::Weigh(Class::Hog, 3));
    }
    machine
}

/// What holds of every job of every workload.
fn audit(machine: &mut Machine) {
    for (id, job) in machine.jobs.iter().enumerate() {
        let job = lock(job);
        let told = || format!("job {id} at {} us: {:?}", now() / (MS / 1000), *job);
        assert_eq!((job.drops.len(), job.permits_returned), (1, 1), "ends once: {}", told());
        let (dropped, class) = job.drops[0];
        assert_eq!(class, Some(Class::Fresh), "ends on a fresh thread: {}", told());
        assert!(!job.moved_up, "only moves down: {}", told());
        match job.asked {
            None => assert!(job.returned && job.plan.steps.is_empty(), "was dropped unasked: {}", told()),
            Some(asked) => {
                // Each of the others may come first, once for each turn of its handler.
                let bound = (asked.alive as u64 + 4) * 4 * SLICE;
                assert!(dropped <= asked.at + bound, "ends late: {}", told());
            }
        }
    }
    machine.run_until(now() + 1000 * MS);
    let left = Class::ALL.map(|class| machine.scheduler.queue(class).queued());
    assert_eq!(left, [0; 3], "places without a job are cleared away");
}

#[test]
fn each_job_ends_once_on_a_fresh_thread_and_soon_after_it_is_asked_to() {
    for seed in seeds() {
        let _seed = Seed(seed);
        let mut machine = workload(&mut Random(seed));
        machine.run();
        audit(&mut machine);
    }
}

#[test]
fn a_seed_gives_the_same_run_again() {
    let run = |seed| {
        let mut machine = workload(&mut Random(seed));
        machine.run();
        machine.jobs.iter().map(|job| lock(job).drops.clone()).collect::<Vec<_>>()
    };
    for seed in 0..20 {
        let _seed = Seed(seed);
        assert_eq!(run(seed), run(seed));
    }
}

#[test]
fn what_is_cancelled_ends_at_once_though_hogs_get_no_cpu_at_all() {
    for cores in 1..=3 {
        let mut machine = Machine::new(cores);
        let ids: Vec<_> = (0..50).map(|handler| machine.arrives(0, Plan::spin(handler % 5))).collect();
        machine.run_until(50 * (HOG_AFTER + BUSY_AFTER));
        machine.at(now(), Event::Weigh(Class::Hog, 0));
        for &id in &ids {
            machine.at(now() + MS, Event::Cancel { id, in_poll: false });
        }
        machine.run_until(now() + MS + 60 * LOOK);
        // A job that was being polled when the kernel took the core away is its thread's to end.
        assert!(machine.alive() <= cores, "{} alive with {cores} cores", machine.alive());
        machine.at(now(), Event::Weigh(Class::Hog, 3));
        machine.run();
        audit(&mut machine);
    }
}

/// Short jobs, a fifth more than the machine can do, from now on for a while.
fn saturate(machine: &mut Machine, cores: usize, until: u64) {
    let mut time = now();
    while time < until {
        machine.arrives(time, Plan::compute(9, MS * 9 / 10));
        time += MS * 9 / 12 / cores as u64;
    }
}

#[test]
fn busy_jobs_go_on_while_fresh_ones_want_all_the_cpu() {
    for cores in 1..=3 {
        let mut machine = Machine::new(cores);
        let heavy: Vec<_> = (0..2 * cores).map(|_| machine.arrives(0, Plan::compute(1, 15 * MS))).collect();
        machine.run_until(2 * BUSY_AFTER + MS);
        saturate(&mut machine, cores, 200 * MS);
        machine.run_until(200 * MS);
        for id in heavy {
            // Two on each core, a quarter of which is theirs.
            let job = machine.job(id);
            let (ended, _) =
                *job.drops.first().unwrap_or_else(|| panic!("still there with {cores}: {job:?}"));
            assert!(ended < 150 * MS && job.ready_max < 20 * MS, "starved with {cores} cores: {job:?}");
        }
        machine.run();
        audit(&mut machine);
    }
}

#[test]
fn a_crowd_of_runaways_leaves_the_share_of_honest_heavy_jobs_to_these() {
    for cores in 1..=3 {
        for crowd in [16, 64, 200] {
            let mut machine = Machine::new(cores);
            let runaways: Vec<_> = (0..crowd).map(|_| machine.arrives(0, Plan::spin(1))).collect();
            // What they use as fresh jobs, and what a few may use of the class that is not theirs. As
            // each of them alone, they would use ten times that.
            let time = crowd * (BUSY_AFTER + 2 * MS) / cores as u64 + 2 * HOG_AFTER;
            machine.run_until(time);
            for id in runaways {
                let job = machine.job(id);
                assert_eq!(job.class, Class::Hog, "of {crowd} with {cores} cores: {job:?}");
            }
            let heavy = machine.arrives(now(), Plan::compute(2, 15 * MS));
            saturate(&mut machine, cores, time + 200 * MS);
            machine.run_until(time + 200 * MS);
            let job = machine.job(heavy);
            assert!(!job.drops.is_empty(), "starved beside {crowd} with {cores} cores: {job:?}");
            drop(job);
            for id in 0..crowd {
                machine.at(now(), Event::Cancel { id: id as usize, in_poll: false });
            }
            machine.run();
            audit(&mut machine);
        }
    }
}

#[test]
fn no_job_waits_for_a_thread_that_is_at_work_while_another_sleeps() {
    let mut machine = Machine::new(2);
    // Jobs from elsewhere go to one shard after the other.
    machine.arrives(0, Plan::compute(1, MS));
    machine.arrives(0, Plan::compute(1, MS / 10));
    let third = machine.arrives(MS / 2, Plan::compute(1, MS / 10));
    machine.run();
    audit(&mut machine);
    assert_eq!(machine.job(third).ready_max, 0, "the second thread had nothing to do");
}

#[test]
fn equal_jobs_end_within_a_fifth_of_each_other() {
    for cores in 1..=3 {
        for jobs in 2..=12 {
            for (cpu, flat) in [(15 * MS, false), (80 * MS, false), (40 * MS, true)] {
                let mut machine = Machine::new(cores);
                if flat {
                    machine.scheduler.flatten();
                }
                let ids: Vec<_> = (0..jobs).map(|_| machine.arrives(0, Plan::compute(1, cpu))).collect();
                machine.run();
                audit(&mut machine);
                let ends: Vec<_> = ids.iter().map(|&id| machine.job(id).drops[0].0).collect();
                let (first, last) = (ends.iter().min().expect("a job"), ends.iter().max().expect("a job"));
                assert!(
                    last * 4 <= first * 5,
                    "{jobs} jobs of {} ms on {cores} cores, flat {flat}: {} to {} ms",
                    cpu / MS,
                    first / MS,
                    last / MS
                );
            }
        }
    }
}

#[test]
fn a_handler_with_a_thousand_jobs_does_not_push_back_one_with_one() {
    // In each class: by what the jobs have used when the one comes up.
    for (used, jobs) in [(0, 1000), (BUSY_AFTER, 100), (HOG_AFTER, 100)] {
        for cores in 1..=3 {
            let mut machine = Machine::new(cores);
            for _ in 0..jobs {
                machine.arrives(0, Plan::compute(1, used + 5 * MS));
            }
            machine.run_until(jobs * (used + MS) / cores as u64);
            let one = machine.arrives(now(), Plan::compute(2, used + MS));
            machine.run();
            audit(&mut machine);
            let job = machine.job(one);
            assert!(job.ready_max <= 4 * SLICE, "waited {} us: {job:?}", job.ready_max / (MS / 1000));
        }
    }
}

#[test]
fn without_priorities_who_has_used_least_comes_first_and_nobody_starves() {
    for cores in 1..=3 {
        let mut machine = Machine::new(cores);
        machine.scheduler.flatten();
        for _ in 0..5 {
            let mut runaway = Plan::spin(1);
            runaway.cpu_max = 500 * MS;
            machine.arrives(0, runaway);
        }
        machine.run_until(100 * MS);
        let short: Vec<_> = (0..10).map(|_| machine.arrives(now(), Plan::compute(1, MS / 2))).collect();
        let heavy = machine.arrives(now(), Plan::compute(1, 20 * MS));
        saturate(&mut machine, cores, 400 * MS);
        machine.run_until(400 * MS);
        for id in short {
            let job = machine.job(id);
            assert!(job.ready_max <= 16 * SLICE, "pushed back: {job:?}");
        }
        let ended = machine.job(heavy).drops.first().map(|&(time, _)| time / MS);
        assert!(ended.is_some_and(|ended| ended < 300), "starved: {ended:?} {:?}", machine.job(heavy));
        machine.run();
        audit(&mut machine);
    }
}
