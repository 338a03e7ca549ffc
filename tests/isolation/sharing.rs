//! Requests that share an instance: one that runs away takes the others down at worst, and none of them hangs.

use crate::harness::{Answer, guest};
use crate::{LATE_MAX, Trial, alone};
use std::io::Write;
use std::time::Duration;

const SHARED: [&str; 4] = ["--reuse", "1000", "--reuse-concurrency", "16"];

/// Sends `path` beside fifteen requests that share its instance and would be answered in a second; returns its
/// answer and theirs.
fn beside(trial: &Trial, path: &str) -> (Answer, Vec<Answer>) {
    let client = trial.server.client();
    let others: Vec<_> = (0..15).map(|_| client.get_later("/wait?ms=1000")).collect();
    crate::harness::eventually("all are inside", || trial.server.live_instances() == 15);
    let answer = client.get(path);
    let join = |other: std::thread::JoinHandle<Result<Answer, String>>| other.join().expect("client");
    (answer, others.into_iter().map(|other| join(other).expect("an answer")).collect())
}

#[test]
fn runaway_in_a_shared_instance_ends_and_nobody_in_it_hangs() {
    let _alone = alone();
    let timeout = Duration::from_secs(3);
    let more = [&SHARED[..], &["--timeout", "3s", "--cpu-time", "300ms"]].concat();
    let trial = Trial::begin(&guest("mixed3"), &more);
    let (runaway, others) = beside(&trial, "/spin");
    runaway.assert_problem(504, "cpu_limit");
    let mut lost = 0;
    for other in &others {
        assert!(other.took < timeout + LATE_MAX, "{:?}", other.took);
        match other.status {
            200 => assert_eq!(other.text(), "waited\n"),
            _ => {
                other.assert_problem(500, "instance_lost");
                lost += 1;
            }
        }
    }
    println!(
        "beside one runaway {lost} of 15 lost their instance, the slowest after {:?}",
        others.iter().map(|other| other.took).max()
    );
    assert!(lost > 0, "they were not in one instance");
    assert_eq!(trial.get("/count").assert_ok().text(), "1\n", "it was not kept");
    trial.end();
}

#[test]
fn runaway_without_a_cpu_limit_takes_nobody_past_their_deadline() {
    let _alone = alone();
    let trial = Trial::begin(&guest("mixed3"), &[&SHARED[..], &["--timeout", "1500ms"]].concat());
    let (runaway, others) = beside(&trial, "/spin");
    runaway.assert_problem(504, "guest_timeout");
    for other in &others {
        assert!(other.took < Duration::from_millis(1500) + LATE_MAX, "{:?}", other.took);
        assert!(matches!(other.status, 200 | 500 | 504), "{other:?}");
    }
    println!("the runaway ended after {:?}", runaway.took);
    trial.end();
}

#[test]
fn sleeper_in_a_shared_instance_costs_the_others_nothing() {
    let _alone = alone();
    let trial = Trial::begin(&guest("mixed3"), &[&SHARED[..], &["--timeout", "2s"]].concat());
    let (sleeper, others) = beside(&trial, "/sleep");
    sleeper.assert_problem(504, "guest_timeout");
    for other in &others {
        assert_eq!(other.assert_ok().text(), "waited\n");
    }
    assert_eq!(trial.get("/count").assert_ok().text(), "1\n", "a task of it is left, so it was not kept");
    trial.end();
}

#[test]
fn trap_in_a_shared_instance_is_told_to_all_who_were_in_it() {
    let _alone = alone();
    let trial = Trial::begin(&guest("mixed3"), &SHARED);
    let (trapped, others) = beside(&trial, "/trap");
    for answer in others.iter().chain([&trapped]) {
        answer.assert_problem(500, "instance_lost");
    }
    // Alone in its instance a trap is what it is.
    trial.get("/trap").assert_problem(500, "guest_trap");
    for _ in 0..20 {
        assert_eq!(trial.get("/").assert_ok().text(), "hello\n");
    }
    trial.end();
}

/// A stream in the middle of its body when its instance goes is cut, not ended.
#[test]
fn body_from_a_lost_instance_does_not_look_whole() {
    let _alone = alone();
    let trial = Trial::begin(&guest("mixed3"), &SHARED);
    let client = trial.server.client();
    let stream = client.get_later("/drip?n=1000&ms=20");
    crate::harness::eventually("it streams", || trial.server.live_instances() == 1);
    let waiting = client.get_later("/wait?ms=60000");
    crate::harness::eventually("another is inside", || trial.server.live_instances() == 2);
    let _ = client.get("/trap");
    let cut = stream.join().expect("client").expect("a head");
    assert!(cut.broken || cut.status == 500, "{cut:?}");
    waiting.join().expect("client").expect("an answer").assert_problem(500, "instance_lost");
    trial.end();
}

/// Nothing is held by instances that came and went in every way.
#[test]
fn crowd_in_shared_instances_leaves_the_host_as_it_was() {
    let _alone = alone();
    let more =
        [&SHARED[..], &["--timeout", "500ms", "--cpu-time", "100ms", "--reuse-idle", "100ms"]].concat();
    let trial = Trial::begin(&guest("mixed3"), &more);
    let round = |count: usize| {
        let paths =
            ["/", "/wait?ms=5", "/trap", "/drip?n=3&ms=1", "/spin", "/after?ms=20", "/count", "/work"];
        let client = trial.server.client();
        let sent: Vec<_> = (0..count).map(|at| client.get_later(paths[at % paths.len()])).collect();
        for answer in sent {
            // One whose answer is cut before its head has left sees a connection that just ends.
            let _ = answer.join().expect("client");
        }
        trial.server.wait_idle();
    };
    round(64);
    let before = trial.server.holdings();
    for _ in 0..10 {
        round(64);
    }
    crate::harness::eventually("threads and files are back", || {
        let now = trial.server.holdings();
        now.threads <= before.threads && now.files <= before.files
    });
    println!("before: {before:?}\nafter:  {:?}", trial.server.holdings());
    for _ in 0..100 {
        trial.get("/").assert_ok();
    }
    trial.end();
}

/// Clients that go away leave no instance behind that nobody has a permit for: whoever comes next has a place.
#[test]
fn instances_of_clients_that_went_away_give_their_places_back() {
    let _alone = alone();
    let more = [&SHARED[..], &["--instances", "2", "--max-streams", "0", "--timeout", "60s"]].concat();
    let trial = Trial::begin(&guest("mixed3"), &more);
    for path in ["/sleep", "/spin", "/drip?n=100000&ms=20"] {
        for _ in 0..5 {
            let gone: Vec<_> = (0..2)
                .map(|_| {
                    let mut stream = trial.server.client().connect();
                    let head = format!("GET {path} HTTP/1.1\r\nHost: a.example\r\n\r\n");
                    stream.write_all(head.as_bytes()).expect("sent");
                    stream
                })
                .collect();
            crate::harness::eventually("both are inside", || trial.server.live_instances() == 2);
            drop(gone);
            trial.server.wait_idle();
            assert_eq!(trial.get("/").assert_ok().text(), "hello\n", "after {path}");
        }
    }
    trial.end();
}

/// What a guest does after its answers has the time of the request that came last, and ends with it.
#[test]
fn work_after_the_answers_of_a_shared_instance_is_bounded() {
    let _alone = alone();
    let more = [&SHARED[..], &["--timeout", "2s", "--cpu-time", "300ms", "--instances", "2"]].concat();
    let trial = Trial::begin(&guest("mixed3"), &more);
    assert_eq!(trial.get("/after?ms=50").assert_ok().text(), "done\n");
    trial.server.wait_idle();
    assert_eq!(trial.get("/count").assert_ok().text(), "2\n", "it ended by itself, and was kept");
    // One that waits for too long, and one that computes for too long: as often as it likes.
    for path in ["/after?ms=600000", "/linger?ms=50", "/linger?ms=50", "/linger?ms=50", "/linger?ms=50"] {
        assert_eq!(trial.get(path).assert_ok().text(), "done\n");
        trial.server.wait_idle();
        assert_eq!(trial.get("/count").assert_ok().text(), "1\n", "after {path}");
        trial.server.wait_idle();
    }
    trial.server.log.wait_for(&["post_return_timeout"]);
    trial.end();
}
