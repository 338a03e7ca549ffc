//! Who is let in, who waits and who is sent away, by requests that sleep as long as a test needs.

use crate::harness::{Answer, Server, eventually, guest};
use std::thread::JoinHandle;
use std::time::Duration;

/// Holds `count` instances, each for three seconds from its start.
#[track_caller]
fn hold(server: &Server, count: u64) -> Vec<JoinHandle<Result<Answer, String>>> {
    let held = (0..count).map(|_| server.client().get_later("/?ms=3000")).collect();
    eventually("every instance at work", || server.live_instances() == count);
    held
}

#[track_caller]
fn assert_all_answer(held: Vec<JoinHandle<Result<Answer, String>>>) {
    for request in held {
        request.join().expect("client").expect("an answer").assert_ok();
    }
}

#[test]
fn full_queue_answers_503_at_once() {
    let server = Server::start(&guest("sleep"), &["--instances", "2", "--queue", "0"]);
    let held = hold(&server, 2);
    let refused = server.client().get("/?ms=0");
    refused.assert_problem(503, "queue_full");
    assert_eq!(refused.header("retry-after"), "1");
    println!("refused after {:?}", refused.took);
    assert!(refused.took < Duration::from_secs(1), "{:?}", refused.took);
    assert_all_answer(held);
    // An answer is whole a moment before its instance is gone, and here nobody may wait for one.
    server.wait_idle();
    server.client().get("/?ms=0").assert_ok();
    server.wait_idle();
}

#[test]
fn wait_in_the_queue_ends_with_its_timeout() {
    let settings = ["--instances", "1", "--queue", "5", "--queue-timeout", "200ms"];
    let server = Server::start(&guest("sleep"), &settings);
    let held = hold(&server, 1);
    let refused = server.client().get("/?ms=0");
    refused.assert_problem(503, "queue_timeout");
    assert_eq!(refused.header("retry-after"), "1");
    println!("refused after {:?}", refused.took);
    assert!(refused.took >= Duration::from_millis(200), "{:?}", refused.took);
    assert!(refused.took < Duration::from_secs(2), "{:?}", refused.took);
    assert_all_answer(held);
}

#[test]
fn waiting_requests_get_their_turn() {
    let server =
        Server::start(&guest("sleep"), &["--instances", "1", "--queue", "8", "--queue-timeout", "60s"]);
    let held = hold(&server, 1);
    let waiting: Vec<_> = (0..8).map(|_| server.client().get_later("/?ms=10")).collect();
    assert_all_answer(held);
    assert_all_answer(waiting);
    server.wait_idle();
}

#[test]
fn full_queue_turns_away_only_what_does_not_fit() {
    let server =
        Server::start(&guest("sleep"), &["--instances", "1", "--queue", "1", "--queue-timeout", "60s"]);
    let held = hold(&server, 1);
    let waiting: Vec<_> = (0..4).map(|_| server.client().get_later("/?ms=0")).collect();
    let answers: Vec<_> =
        waiting.into_iter().map(|request| request.join().expect("client").expect("an answer")).collect();
    let count = |status| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((count(200), count(503)), (1, 3), "{answers:?}");
    assert_all_answer(held);
}

#[test]
fn concurrency_holds_below_the_hosts_own_limit() {
    let server = Server::start(&guest("sleep"), &["--instances", "4", "--concurrency", "1", "--queue", "0"]);
    let held = hold(&server, 1);
    assert_eq!(server.client().get("/ready").json()["instances"]["max"], 4);
    server.client().get("/?ms=0").assert_problem(503, "queue_full");
    assert_all_answer(held);
    // An answer is whole a moment before its instance is gone, and here nobody may wait for one.
    server.wait_idle();
    server.client().get("/?ms=0").assert_ok();
}

#[test]
fn health_needs_no_instance() {
    let server = Server::start(&guest("sleep"), &["--instances", "1", "--queue", "0"]);
    let held = hold(&server, 1);
    for path in ["/health", "/ready"] {
        assert_eq!(server.client().get(path).status, 200, "{path}");
    }
    assert_all_answer(held);
}
