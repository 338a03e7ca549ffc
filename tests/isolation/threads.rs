//! Threads of the host's own: who computes and where, what the kernel may do to them, and that those
//! that die are started anew.

use super::clients::ask;
use super::harness::{ThreadUse, eventually, guest, pause};
use super::{THREADS, Trial, alone};
use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};

/// How long the host may take to be back at full strength.
const REVIVAL_MAX: Duration = Duration::from_secs(1);

/// Row 29: an executor thread that dies costs the one request that it held.
#[test]
#[cfg_attr(not(feature = "failpoints"), ignore = "needs the feature `failpoints`")]
fn a_dead_executor_thread_costs_one_request_and_is_started_anew() {
    let _alone = alone();
    let trial = Trial::begin_with(&guest("hello"), &[], |command| {
        command.env("FAILPOINTS", "executor_thread=20*off->1*return->off");
    });
    let answers = trial.get_together("/", 100);
    let lost: Vec<_> = answers.iter().filter(|answer| answer.status != 200).collect();
    assert_eq!(lost.len(), 1, "{lost:?}");
    lost[0].assert_problem(500, "executor_lost");
    let died = Instant::now();
    eventually("a ready host", || trial.get("/ready").status == 200);
    println!("ready again after {:?}", died.elapsed());
    assert!(died.elapsed() < REVIVAL_MAX, "{:?}", died.elapsed());
    trial.server.log.wait_for(&["started anew", "executor threads"]);
    trial.get("/").assert_ok();
    trial.end();
}

/// Row 30: a ticker that dies is started anew before a runaway has made anything of it.
#[test]
#[cfg_attr(not(feature = "failpoints"), ignore = "needs the feature `failpoints`")]
fn a_dead_ticker_is_started_anew_and_runaways_still_end() {
    let _alone = alone();
    let trial = Trial::begin_with(&guest("spin"), &["--timeout", "2s"], |command| {
        command.env("FAILPOINTS", "ticker=50*off->1*return->off");
    });
    let answers = trial.get_together("/", 4);
    for answer in &answers {
        answer.assert_problem(504, "guest_timeout");
        assert!(answer.took < Duration::from_millis(2250), "{:?}", answer.took);
    }
    trial.server.log.wait_for(&["started anew", "ticker"]);
    trial.end();
}

/// A core that this process, and so a host that it starts, may use.
fn a_core() -> String {
    let own = ThreadUse::of(std::process::id());
    let cores = &own.first().expect("the thread that asks").cores;
    cores.split([',', '-']).next().expect("a core").to_owned()
}

/// Gives every thread of the host the same core, and no other.
#[track_caller]
fn confine(trial: &Trial, core: &str) {
    let pid = trial.server.pid().to_string();
    let taskset = Command::new("taskset").args(["-a", "-c", "-p", core, &pid]).output();
    assert!(taskset.expect("taskset, of util-linux").status.success());
    let threads = ThreadUse::of(trial.server.pid());
    assert!(threads.iter().all(|thread| thread.cores == core), "{threads:?}");
}

/// Row 103: on a single core, which loops want for themselves, `/health` and hellos are answered.
#[test]
fn one_core_is_enough_for_health_and_hellos_beside_loops() {
    let _alone = alone();
    let trial = Trial::begin(&guest("mixed"), &[]);
    confine(&trial, &a_core());
    let loops: Vec<_> = (0..8).map(|_| ask(&trial, "/spin")).collect();
    eventually("8 loops in flight", || trial.server.live_instances() == 8);
    let mut health: Vec<_> = (0..200)
        .map(|_| {
            assert_eq!(trial.get("/").assert_ok().text(), "hello\n");
            trial.get("/health").assert_ok().took
        })
        .collect();
    health.sort();
    println!("/health on one core beside 8 loops: median {:.1?}, p99 {:.1?}", health[100], health[197]);
    assert!(health[197] < Duration::from_millis(50), "{:?}", health[197]);
    drop(loops);
    trial.end();
}

/// Row 104: a host that was stopped for longer than its deadlines goes on as if it had not been; what
/// was due meanwhile is told so.
#[test]
fn a_host_that_was_stopped_for_a_while_recovers() {
    let _alone = alone();
    let trial = Trial::begin(&guest("mixed"), &["--timeout", "1s"]);
    let client = trial.server.client();
    let due: Vec<_> = ["/spin", "/sleep"].map(|path| client.get_later(path)).into();
    eventually("both in flight", || trial.server.live_instances() == 2);
    trial.server.signal("STOP");
    // What is claimed is what a stop of this length does.
    pause(Duration::from_secs(3));
    trial.server.signal("CONT");
    for answer in due {
        let answer = answer.join().expect("client thread").expect("a head");
        answer.assert_problem(504, "guest_timeout");
    }
    for _ in 0..100 {
        trial.get("/").assert_ok();
    }
    eventually("a ready host", || trial.get("/ready").status == 200);
    trial.end();
}

/// Row 105: no guest is ever polled by a thread that moves bytes or keeps time.
#[test]
fn guests_use_the_time_of_executor_threads_alone() {
    let _alone = alone();
    let trial = Trial::begin(&guest("mixed"), &[]);
    let loops: Vec<_> = (0..4).map(|_| ask(&trial, "/spin")).collect();
    eventually("4 loops in flight", || trial.server.live_instances() == 4);
    let used = |names: &[&str]| -> u64 {
        let threads = ThreadUse::of(trial.server.pid());
        let named = |thread: &&ThreadUse| names.iter().any(|name| thread.name.starts_with(name));
        threads.iter().filter(named).map(|thread| thread.cpu_ticks).sum()
    };
    // Many polls in each class, and hellos among them.
    eventually("two seconds of guests", || {
        trial.get("/").assert_ok();
        used(&["fresh-", "busy-", "hog-"]) >= 200
    });
    let (guests, io) = (used(&["fresh-", "busy-", "hog-"]), used(&["io", "guest-io"]));
    println!("CPU time of executor threads {guests} ticks, of I/O threads {io}");
    assert!(io * 4 < guests, "I/O threads used {io} ticks, executor threads {guests}");
    drop(loops);
    trial.end();
}

/// Row 106: a handler of signals that takes locks can deadlock with the thread that it interrupts. Traps
/// need none here: bounds are checked and traps raised in the guest's own code.
#[test]
fn traps_need_no_signal_handler() {
    let _alone = alone();
    let trial = Trial::begin(&guest("mixed"), &[]);
    for _ in 0..20 {
        trial.get("/trap").assert_problem(500, "guest_trap");
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", trial.server.pid())).expect("it lives");
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).expect("signals").trim();
    let caught = u64::from_str_radix(caught, 16).expect("a mask");
    // signal(7): SIGILL is 4 and SIGFPE 8. SIGSEGV is Rust's own, which tells a stack overflow.
    for signal in [4, 8] {
        assert_eq!(caught & (1 << (signal - 1)), 0, "signal {signal} has a handler: {caught:x}");
    }
    trial.end();
}

/// `--pin-threads on` gives every executor thread one core, and those of a shard the same.
#[test]
fn pinned_threads_have_one_core_each() {
    let _alone = alone();
    let trial = Trial::begin(&guest("mixed"), &["--pin-threads", "on"]);
    trial.get("/").assert_ok();
    for shard in 0..THREADS {
        let own =
            |name: &str| ["fresh-", "busy-", "hog-"].iter().any(|class| name == format!("{class}{shard}"));
        // A thread pins itself once it is given a core for the first time.
        eventually("the threads of a shard on one core", || {
            let threads = ThreadUse::of(trial.server.pid());
            let cores: BTreeSet<_> = threads.iter().filter(|t| own(&t.name)).map(|t| &t.cores).collect();
            cores.len() == 1 && cores.iter().all(|core| core.parse::<usize>().is_ok())
        });
    }
    trial.end();
}
