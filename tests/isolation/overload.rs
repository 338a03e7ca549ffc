//! More than the host can do, more streams than it has instances, and certificates that change meanwhile:
//! the small forms of what `cargo xtask bench overload` measures.

use crate::alone;
use crate::harness::tls::{Hello, Pair};
use crate::harness::{Connection, Server, Witness, eventually, guest, pause};
use crate::storms::at_rest;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Asks with so many clients for `time`, each again as soon as it was answered, or a little after it was
/// refused. Returns how many were answered, how many refused, and the longest that an answer took.
fn crowd(server: &Server, clients: usize, time: Duration) -> (usize, usize, Duration) {
    let (served, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let until = Instant::now() + time;
    let mut slowest = Duration::ZERO;
    std::thread::scope(|scope| {
        let ask = || {
            let mut slowest = Duration::ZERO;
            let mut connection = Connection::open(&server.client());
            while Instant::now() < until {
                let began = Instant::now();
                if !connection.send("GET /sleep?ms=20 HTTP/1.1\r\nhost: test\r\n\r\n") {
                    connection = Connection::open(&server.client());
                    continue;
                }
                let answer = connection.answer().expect("an answer");
                if answer.status == 200 {
                    served.fetch_add(1, Relaxed);
                    slowest = slowest.max(began.elapsed());
                    continue;
                }
                assert_eq!(answer.status, 503, "{answer:?}");
                assert!(answer.header("retry-after").parse::<u32>().expect("seconds") > 0);
                refused.fetch_add(1, Relaxed);
                pause(Duration::from_millis(20));
                if answer.header("connection") == "close" {
                    connection = Connection::open(&server.client());
                }
            }
            slowest
        };
        let asking: Vec<_> = (0..clients).map(|_| scope.spawn(ask)).collect();
        slowest = asking.into_iter().map(|client| client.join().expect("client")).max().unwrap_or_default();
    });
    (served.into_inner(), refused.into_inner(), slowest)
}

/// Three seconds of far more than the host can do: as much is answered as without, in the time of the queue,
/// and everything is as before afterwards.
#[test]
fn too_much_work_leaves_the_rate_of_answers_as_it_was() {
    let _alone = alone();
    let settings = ["--instances", "4", "--queue", "64", "--queue-timeout", "200ms"];
    let server = Server::start(&guest("crowd"), &settings);
    let (time, witness) = (Duration::from_secs(3), Witness::start(server.client()));
    let (capacity, none, _) = crowd(&server, 8, time);
    assert_eq!(none, 0, "the queue has room for eight");
    server.wait_idle();
    let before = server.holdings();
    let (served, refused, slowest) = crowd(&server, 128, time);
    println!("{capacity} in 3 s without, {served} with {refused} refused; slowest {slowest:.1?}");
    assert!(served * 4 > capacity * 3, "{served} of {capacity}");
    assert!(refused > served, "{refused} refused: this is not too much");
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    witness.testify().assert_unharmed();
    server.wait_idle();
    assert_eq!(server.client().get("/ready").json()["queued"], 0);
    eventually("threads and files to be back", || {
        let now = server.holdings();
        now.threads <= before.threads && now.files <= before.files
    });
    server.stop();
}

/// Two hundred streams, fifty for every instance: each has all of its events, and hellos go on beside them.
#[test]
fn streams_have_their_events_beside_hellos() {
    let _alone = alone();
    let settings = ["--instances", "4", "--max-streams", "200", "--timeout", "60s"];
    let server = Server::start(&guest("crowd"), &settings);
    server.client().get("/").assert_ok();
    let before = at_rest(&server);
    let mut streams: Vec<_> = (0..200)
        .map(|_| {
            let mut stream = Connection::open(&server.client());
            assert!(stream.send("GET /events?ms=500 HTTP/1.1\r\nhost: test\r\n\r\n"));
            assert_eq!(stream.head_of_answer().expect("a head").status, 200);
            stream
        })
        .collect();
    assert_eq!(server.live_instances(), 200);
    let witness = Witness::start(server.client());
    let began = Instant::now();
    for event in 1..=5 {
        for stream in &mut streams {
            assert!(stream.chunk().expect("an event").starts_with(b"data: tick"));
        }
        server.client().get("/").assert_ok();
        println!("event {event} of all after {:.1?}", began.elapsed());
    }
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    witness.testify().assert_unharmed();
    drop(streams);
    server.wait_idle();
    eventually("threads and files to be back", || {
        let now = server.holdings();
        now.threads <= before.threads && now.files <= before.files
    });
    server.stop();
}

/// Five new certificates under load: every handshake and every request goes on.
#[test]
fn new_certificates_cost_no_request() {
    let _alone = alone();
    let pairs: Vec<_> = (0..6).map(|_| Pair::new()).collect();
    let directory = tempfile::tempdir().expect("a temporary directory");
    pairs[0].write(directory.path());
    let file = |name| directory.path().join(name).to_str().expect("UTF-8").to_owned();
    let tls = ["--tls-cert", &file("cert.pem"), "--tls-key", &file("key.pem")];
    let server = Server::start(&guest("hello"), &tls);
    let shows = |pair: &Pair| Hello::default().connect(&server.client(), pair).is_ok();
    let (over, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    // Which certificate is shown is not known in advance: a client takes any of them.
    let ask = || {
        let connected = pairs.iter().find_map(|pair| Hello::default().connect(&server.client(), pair).ok());
        let mut stream = connected.expect("one of the certificates is shown");
        stream
            .write_all(b"GET / HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\n\r\n")
            .expect("a request is taken");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("a whole answer");
        assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer));
        answered.fetch_add(1, Relaxed);
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !over.load(Relaxed) {
                    ask();
                }
            });
        }
        for pair in &pairs[1..] {
            let before = answered.load(Relaxed);
            pair.write(directory.path());
            server.signal("HUP");
            eventually("the new certificate", || shows(pair));
            eventually("answers with it", || answered.load(Relaxed) > before + 8);
        }
        over.store(true, Relaxed);
    });
    println!("{} answers beside five reloads", answered.into_inner());
    server.stop();
}
