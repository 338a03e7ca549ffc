//! Who is let in, who waits and who is sent away, by requests that sleep as long as a test needs.

use crate::harness::{Answer, Connection, Server, eventually, guest, pause};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Holds `count` instances, each for three seconds from its start.
#[track_caller]
fn hold(server: &Server, count: u64) -> Vec<JoinHandle<Result<Answer, String>>> {
    let held = (0..count).map(|_| server.client().get_later("/?ms=3000")).collect();
    eventually("every instance at work", || server.live_instances() == count);
    held
}

/// Sends a GET that its client will not wait for: dropped, the client is gone.
#[track_caller]
fn send(server: &Server, path: &str) -> Connection {
    let mut connection = Connection::open(&server.client());
    assert!(connection.send(format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n")));
    connection
}

/// Requests that wait for an instance, as `/ready` tells.
fn queued(server: &Server) -> u64 {
    server.client().get("/ready").json()["queued"].as_u64().expect("a number of waiting requests")
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
    // A permit returns after its instance is gone, which is after the answer.
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
    // A permit returns after its instance is gone, which is after the answer.
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

#[test]
fn instances_and_queue_hold_so_many_and_the_next_is_refused_at_once() {
    let settings = ["--instances", "8", "--queue", "8", "--queue-timeout", "60s"];
    let server = Server::start(&guest("sleep"), &settings);
    let sleeping: Vec<_> = (0..8).map(|_| send(&server, "/")).collect();
    eventually("every instance at work", || server.live_instances() == 8);
    let waiting: Vec<_> = (0..8).map(|_| send(&server, "/")).collect();
    eventually("a full queue", || queued(&server) == 8);

    let refused = server.client().get("/?ms=0");
    refused.assert_problem(503, "queue_full");
    let retry_after_s: u64 = refused.header("retry-after").parse().expect("seconds");
    assert!((1..=60).contains(&retry_after_s), "{retry_after_s}");
    println!("the 17th was refused after {:?}", refused.took);
    assert!(refused.took < Duration::from_secs(1), "{:?}", refused.took);

    drop((sleeping, waiting));
    // The host learns of each closed connection by itself: until it has, there may still be no room.
    eventually("an empty queue", || queued(&server) == 0);
    let next = server.client().get("/?ms=0");
    println!("after the clients had gone: {:?}", next.assert_ok().took);
    assert!(next.took < Duration::from_secs(5), "{:?}", next.took);
    server.wait_idle();
    assert_eq!(queued(&server), 0);
}

#[test]
fn waiting_request_whose_client_goes_leaves_the_queue() {
    let settings = ["--instances", "1", "--queue", "1", "--queue-timeout", "60s", "--timeout", "60s"];
    let server = Server::start(&guest("sleep"), &settings);
    let sleeping = send(&server, "/");
    eventually("the instance at work", || server.live_instances() == 1);
    for _ in 0..5 {
        // There is room for one, so each of them must have left.
        let waiting = send(&server, "/");
        eventually("a full queue", || queued(&server) == 1);
        drop(waiting);
        eventually("an empty queue", || queued(&server) == 0);
    }
    server.log.wait_for(&["client_gone"]);
    drop(sleeping);
    server.wait_idle();
}

#[test]
fn line_that_is_too_slow_for_the_queue_timeout_is_refused_before_the_wait() {
    let settings = ["--instances", "1", "--queue", "1000", "--queue-timeout", "1s"];
    let server = Server::start(&guest("sleep"), &settings);
    // Ten a second, of which at most a dozen can be served in time; each asks again at once.
    let clients: Vec<_> = (0..64)
        .map(|_| {
            let client = server.client();
            std::thread::spawn(move || {
                let until = Instant::now() + Duration::from_secs(4);
                let mut answers = Vec::new();
                while Instant::now() < until {
                    let answer = client.get("/?ms=100");
                    if answer.status == 503 {
                        answer.assert_problem(503, "queue_timeout");
                        pause(Duration::from_millis(50));
                    }
                    answers.push((answer.status, answer.took));
                }
                answers
            })
        })
        .collect();
    let answers: Vec<_> = clients.into_iter().flat_map(|client| client.join().expect("client")).collect();
    let took = |status| answers.iter().filter(move |answer| answer.0 == status).map(|answer| answer.1);
    let served = took(200).count();
    let at_once = took(503).filter(|took| *took < Duration::from_millis(500)).count();
    println!("served {served} of 40 or so, refused {at_once} at once of {}", took(503).count());
    assert!(served >= 20, "{served}");
    assert!(at_once * 2 > took(503).count(), "most are told at once");
}

#[test]
fn client_that_asks_too_often_gets_429_with_its_limit() {
    let server = Server::start(&guest("hello"), &["--rate-limit-client", "3/m"]);
    for _ in 0..3 {
        server.client().get("/").assert_ok();
    }
    let refused = server.client().get("/");
    refused.assert_problem(429, "rate_limited");
    assert_eq!(refused.header("ratelimit-policy"), "\"client\";q=3;w=60");
    let retry_after_s: u64 = refused.header("retry-after").parse().expect("seconds");
    assert!((1..=20).contains(&retry_after_s), "{retry_after_s}");
    assert_eq!(refused.header("ratelimit"), format!("\"client\";r=0;t={retry_after_s}"));
    for path in ["/health", "/ready"] {
        for _ in 0..10 {
            assert_eq!(server.client().get(path).status, 200, "{path} is not counted");
        }
    }
    server.stop();
}

#[test]
fn handler_has_a_limit_over_all_its_clients_and_a_burst_of_its_own() {
    let server = Server::start(&guest("hello"), &["--rate-limit-handler", "1/m:4"]);
    for _ in 0..4 {
        server.client().get("/").assert_ok();
    }
    let refused = server.client().get("/");
    refused.assert_problem(429, "rate_limited");
    assert_eq!(refused.header("ratelimit-policy"), "\"handler\";q=1;w=60");
    server.stop();
}

/// Responses that stream, as `/ready` tells.
fn streams(server: &Server) -> u64 {
    server.client().get("/ready").json()["streams"]["live"].as_u64().expect("a number of streams")
}

#[test]
fn event_streams_leave_their_instances_places_to_requests() {
    let server = Server::start(
        &guest("sse"),
        &["--instances", "2", "--concurrency", "1", "--queue", "0", "--max-streams", "8"],
    );
    let mut open: Vec<_> = (1..=8)
        .map(|count| {
            // Each takes the one place there is, and leaves it at once.
            let mut stream = send(&server, "/?n=0&ms=60000");
            let head = stream.head_of_answer().expect("a head");
            assert_eq!((head.status, head.header("content-type")), (200, "text/event-stream"));
            assert_eq!(streams(&server), count);
            stream
        })
        .collect();
    assert_eq!(server.client().get("/ready").json()["instances"]["live"], 0);

    let refused = server.client().get("/?n=1");
    refused.assert_problem(503, "too_many_streams");
    assert_eq!(refused.header("retry-after"), "5");
    drop(open.pop());
    eventually("a stream less", || streams(&server) == 7);
    assert!(server.client().get("/?n=1&ms=0").assert_ok().text().contains("tick 1"));
    drop(open);
    server.wait_idle();
}

#[test]
fn response_that_goes_on_becomes_a_stream() {
    let settings = ["--instances", "1", "--queue", "1", "--queue-timeout", "60s", "--max-streams", "1"];
    let server = Server::start(&guest("wedge-sleep"), &settings);
    let mut first = send(&server, "/");
    assert_eq!(first.head_of_answer().expect("a head").status, 200);
    // The only place is the first one's until that is a stream.
    let mut second = send(&server, "/");
    assert_eq!(second.head_of_answer().expect("a head").status, 200);
    assert_eq!(streams(&server), 1);
    assert_eq!(server.live_instances(), 2);
    // There is no room for another stream: the second keeps its place, and loses nothing by it.
    drop(first);
    eventually("the second to become a stream", || streams(&server) == 1 && server.live_instances() == 1);
    drop(second);
    server.wait_idle();
}

#[test]
fn without_streams_a_long_response_keeps_its_place_and_an_event_stream_is_refused() {
    let settings = ["--instances", "1", "--queue", "0", "--max-streams", "0"];
    let server = Server::start(&guest("sse"), &settings);
    server.client().get("/?n=1").assert_problem(503, "too_many_streams");
    server.wait_idle();
}
