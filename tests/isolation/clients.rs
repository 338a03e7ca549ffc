//! Clients that go in the middle of something, and guests that go on after their answer or stop in
//! the middle of it: either side's end is seen by the other, and nothing is left in between.

use crate::harness::{eventually, guest, pause};
use crate::{Trial, alone};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Sends a request and leaves its answer to be read.
#[track_caller]
pub(crate) fn ask(trial: &Trial, path: &str) -> TcpStream {
    let mut stream = trial.server.client().connect();
    let request = format!("GET {path} HTTP/1.1\r\nhost: isolation.test\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("the host reads");
    stream
}

/// Asks, stays for 200 ms while `meet` sees the instance at work, and goes. Returns the log line of
/// the request.
#[track_caller]
fn leave(trial: &Trial, path: &str, meet: impl FnOnce(&mut TcpStream)) -> serde_json::Value {
    let mut stream = ask(trial, path);
    eventually("the instance to live", || trial.server.live_instances() == 1);
    meet(&mut stream);
    pause(Duration::from_millis(200));
    assert_eq!(trial.server.live_instances(), 1, "the guest ended by itself");
    drop(stream);
    let left = Instant::now();
    trial.server.wait_idle();
    println!("client gone: its instance followed within {:.3?}", left.elapsed());
    trial.request_line("client_gone")
}

/// Row 66: a busy guest ends within two ticks of its client, long before its timeout of 30 s. It
/// can have used no more CPU time than the client's stay, and the ticks.
#[test]
fn loop_ends_when_its_client_goes() {
    let _alone = alone();
    let trial = Trial::begin(&guest("spin"), &[]);
    let line = leave(&trial, "/", |_| {});
    let cpu_ms = line["cpu_ms"].as_f64().expect("a number of milliseconds");
    let wall_ms = line["wall_ms"].as_f64().expect("a number of milliseconds");
    println!("spin: client went after {wall_ms} ms, guest used {cpu_ms} ms of CPU");
    assert!((50.0..1000.0).contains(&cpu_ms), "{line}");
    assert!(cpu_ms < wall_ms + 50.0, "the guest went on without its client: {line}");
    trial.end();
}

/// Row 66: a guest that is not polled ends with its client, too.
#[test]
fn sleep_ends_when_its_client_goes() {
    let _alone = alone();
    let trial = Trial::begin(&guest("sleep"), &[]);
    let line = leave(&trial, "/", |_| {});
    assert!(line["cpu_ms"].as_f64().expect("a number of milliseconds") < 1000.0, "{line}");
    assert_eq!(trial.get("/?ms=1").assert_ok().text(), "slept 1\n");
    trial.end();
}

/// Row 66: an endless body stops when the client goes.
#[test]
fn endless_body_stops_when_its_client_goes() {
    let _alone = alone();
    let trial = Trial::begin(&guest("endless"), &[]);
    let line = leave(&trial, "/", |stream| {
        let mut bytes = vec![0; 4 << 20];
        stream.read_exact(&mut bytes).expect("an endless body");
        assert!(bytes.starts_with(b"HTTP/1.1 200 OK\r\n"), "not a head");
    });
    assert_eq!(line["status"], 200, "{line}");
    trial.end();
}

/// Row 66, many at once: of fifty clients that come and go, nothing stays.
#[test]
fn crowd_that_leaves_leaves_nothing_behind() {
    let _alone = alone();
    let trial = Trial::begin(&guest("mixed"), &[]);
    let crowd: Vec<_> = (0..50).map(|n| ask(&trial, if n % 2 == 0 { "/spin" } else { "/sleep" })).collect();
    eventually("all instances to live", || trial.server.live_instances() == 50);
    drop(crowd);
    let left = Instant::now();
    trial.server.wait_idle();
    println!("50 clients gone: their instances followed within {:.3?}", left.elapsed());
    assert_eq!(trial.get("/").assert_ok().text(), "hello\n");
    trial.end();
}

/// A client that stays and does not read holds its instance until the deadline, and not longer.
#[test]
fn endless_body_that_nobody_reads_ends_at_the_deadline() {
    let _alone = alone();
    let trial = Trial::begin(&guest("endless"), &["--timeout", "1s"]);
    let stream = ask(&trial, "/");
    let began = Instant::now();
    eventually("the instance to live", || trial.server.live_instances() == 1);
    trial.server.wait_idle();
    let gone = began.elapsed();
    println!("unread endless body: instance gone after {gone:.3?} of 1s");
    assert!((0.9..2.0).contains(&gone.as_secs_f64()), "{gone:?}");
    drop(stream);
    trial.end();
}

/// Row 9: the answer is whole and at once; what the guest does after it is ended by its deadline.
#[test]
fn work_after_the_answer_costs_the_client_nothing_and_ends_at_the_deadline() {
    let _alone = alone();
    let trial = Trial::begin(&guest("post-return"), &["--timeout", "2s"]);
    for path in ["/", "/?sleep"] {
        let began = Instant::now();
        let answer = trial.get(path);
        assert_eq!(answer.assert_ok().text(), "done\n");
        assert!(answer.took < Duration::from_secs(1), "{:?}", answer.took);
        assert_eq!(trial.server.live_instances(), 1, "the guest still works");
        trial.server.wait_idle();
        let gone = began.elapsed();
        println!("post-return {path}: answer after {:.3?}, instance gone after {gone:.3?}", answer.took);
        assert!((2.0..2.5).contains(&gone.as_secs_f64()), "{gone:?}");
    }
    trial.server.log.wait_for(&["guest ended after its answer", "\"reason\":\"post_return_timeout\""]);
    assert_eq!(trial.request_line("ok")["status"], 200);
    trial.end();
}

/// Row 11: a guest stuck after its head is cut at the deadline, and its client can tell that the
/// answer is not whole: the last chunk never comes.
#[test]
fn answer_that_gets_stuck_is_cut_at_the_deadline() {
    let _alone = alone();
    for name in ["wedge", "wedge-sleep"] {
        let trial = Trial::begin(&guest(name), &["--timeout", "2s"]);
        let answer = trial.get("/");
        println!("{name}: {} {:?}, cut after {:.3?} of 2s", answer.status, answer.text(), answer.took);
        assert_eq!((answer.status, answer.broken), (200, true), "{answer:?}");
        assert_eq!(answer.text(), "partial\n");
        assert!((2.0..2.1).contains(&answer.took.as_secs_f64()), "{:?}", answer.took);

        let bytes = trial.server.client().raw(b"GET / HTTP/1.1\r\nhost: isolation.test\r\n\r\n");
        assert!(bytes.starts_with("HTTP/1.1 200 OK\r\n"), "{bytes}");
        assert!(bytes.ends_with("\r\n8\r\npartial\n\r\n"), "{bytes:?}");
        assert_eq!(trial.request_line("guest_timeout")["status"], 200);
        trial.end();
    }
}
