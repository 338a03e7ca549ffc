//! The end of a host: running requests go on, new ones do not come in, and nothing waits for ever.

use crate::harness::{Answer, Connection, Frame, Frames, H2, SOON, Server, eventually, guest, pause};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

type Asked = JoinHandle<Result<Answer, String>>;

/// Asks for `path` and waits until the guest is at work on it.
#[track_caller]
fn ask(server: &Server, path: &str) -> Asked {
    let asked = server.client().get_later(path);
    eventually("the guest at work", || server.live_instances() == 1);
    asked
}

#[track_caller]
fn answer(asked: Asked) -> Answer {
    asked.join().expect("client").expect("an answer")
}

/// Asserts that whoever comes now is not let in: no connection, or an answer that says why.
#[track_caller]
fn assert_closed(server: &Server) {
    for path in ["/", "/ready"] {
        if let Ok(answer) = server.client().send("GET", path, &[], None) {
            assert_eq!(answer.status, 503, "{path}: {answer:?}");
            assert!(answer.text().contains("draining"), "{path}: {}", answer.text());
        }
    }
}

fn running_requests_finish_after(signal: &str, log_name: &str) {
    let mut server = Server::start(&guest("sleep"), &[]);
    let running = ask(&server, "/?ms=1500");
    let mut idle = Connection::open(&server.client());
    idle.send("GET /?ms=0 HTTP/1.1\r\nHost: a.example\r\n\r\n");
    idle.answer().expect("an answer").assert_ok();

    server.signal(signal);
    server.log.wait_for(&["draining", log_name]);
    // Whoever was waiting for the next request is told by the end of the connection.
    if idle.send("GET /ready HTTP/1.1\r\nHost: a.example\r\n\r\n")
        && let Some(ready) = idle.answer()
    {
        assert_eq!((ready.status, &ready.json()["status"]), (503, &"draining".into()));
    }
    eventually("the listener is closed", || TcpStream::connect(server.address).is_err());
    assert_closed(&server);

    let answer = answer(running);
    assert_eq!(answer.assert_ok().text(), "slept 1500\n");
    assert_eq!(answer.header("connection"), "close");
    assert_eq!(server.wait().code(), Some(0));
    server.log.wait_for(&["request ", "status=200", "reason=\"ok\""]);
    server.log.wait_for(&["drained", "finished=1", "cut=0"]);
}

/// Row 100.
#[test]
fn sigterm_lets_running_requests_finish() {
    running_requests_finish_after("TERM", "SIGTERM");
}

#[test]
fn sigint_lets_running_requests_finish() {
    running_requests_finish_after("INT", "SIGINT");
}

#[test]
fn idle_host_ends_at_once() {
    let mut server = Server::start(&guest("hello"), &[]);
    let idle = server.client().connect();
    server.client().get("/").assert_ok();
    let began = Instant::now();
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
    println!("ended after {:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    drop(idle);
}

/// Row 100: who is left after the drain is answered, not abandoned, whether it sleeps or spins.
#[test]
fn stragglers_are_cut_with_503() {
    for name in ["sleep", "spin"] {
        let settings = ["--drain-timeout", "500ms", "--timeout", "10m", "--cpu-time", "10m"];
        let mut server = Server::start(&guest(name), &settings);
        let straggler = ask(&server, "/");
        let began = Instant::now();
        server.signal("TERM");
        let answer = answer(straggler);
        answer.assert_problem(503, "draining");
        assert_eq!(answer.header("retry-after"), "5");
        assert_eq!(server.wait().code(), Some(0));
        println!("{name}: ended after {:?}", began.elapsed());
        assert!(began.elapsed() >= Duration::from_millis(500), "{:?}", began.elapsed());
        assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
        server.log.wait_for(&["request ", "status=503", "reason=\"draining\""]);
        server.log.wait_for(&["drained", "finished=0", "cut=1"]);
    }
}

#[test]
fn no_drain_timeout_cuts_at_once() {
    let mut server = Server::start(&guest("sleep"), &["--drain-timeout", "0s"]);
    let straggler = ask(&server, "/?ms=20000");
    server.signal("TERM");
    answer(straggler).assert_problem(503, "draining");
    assert_eq!(server.wait().code(), Some(0));
}

/// A stream has had its head: it is cut off, and its client sees that.
#[test]
fn streams_do_not_keep_the_host() {
    let mut server = Server::start(&guest("sse"), &["--drain-timeout", "500ms", "--timeout", "10m"]);
    let stream = ask(&server, "/?n=0&ms=50");
    server.signal("TERM");
    let answer = answer(stream);
    assert_eq!((answer.status, answer.broken), (200, true), "{} bytes", answer.body.len());
    assert!(answer.text().starts_with("id: 1\n"), "{}", answer.text());
    assert_eq!(server.wait().code(), Some(0));
    server.log.wait_for(&["request ", "status=200", "reason=\"draining\""]);
}

#[test]
fn short_streams_reach_their_end() {
    let mut server = Server::start(&guest("sse"), &[]);
    let stream = ask(&server, "/?n=10&ms=100");
    server.signal("TERM");
    assert!(answer(stream).assert_ok().text().ends_with("id: 10\ndata: tick 10\n\n"));
    assert_eq!(server.wait().code(), Some(0));
}

/// The client has its answer; what its guest still does is nothing to wait for.
#[test]
fn work_after_the_answer_does_not_keep_the_host() {
    for path in ["/", "/?sleep"] {
        let mut server = Server::start(&guest("post-return"), &["--timeout", "10m", "--cpu-time", "10m"]);
        server.client().get(path).assert_ok();
        assert_eq!(server.live_instances(), 1, "{path}");
        let began = Instant::now();
        server.signal("TERM");
        assert_eq!(server.wait().code(), Some(0));
        println!("{path}: ended after {:?}", began.elapsed());
        assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
        assert!(server.log.lines_with("panic").is_empty(), "{:?}", server.log.lines_with("panic"));
        server.log.wait_for(&["request ", "status=200", "reason=\"ok\""]);
    }
}

#[test]
fn second_signal_ends_at_once() {
    for (first, second) in [("TERM", "TERM"), ("INT", "INT"), ("TERM", "INT")] {
        let mut server = Server::start(&guest("sleep"), &["--timeout", "10m", "--drain-timeout", "10m"]);
        let running = ask(&server, "/");
        server.signal(first);
        server.log.wait_for(&["draining"]);
        let began = Instant::now();
        server.signal(second);
        assert_eq!(server.wait().code(), Some(1), "{first} {second}");
        println!("{first}, {second}: ended after {:?}", began.elapsed());
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
        // Broken off, in whichever way the client sees it.
        assert!(running.join().expect("client").is_err());
    }
}

/// What waits for an instance when the host is told to stop is let in or told, but not forgotten.
#[test]
fn queued_requests_are_not_forgotten() {
    let settings = ["--instances", "1", "--queue", "4", "--queue-timeout", "30s"];
    let mut server = Server::start(&guest("sleep"), &settings);
    let running = ask(&server, "/?ms=1000");
    let queued = server.client().get_later("/?ms=0");
    // Nothing tells when it is in the queue; if it is not, it meets a closed door.
    pause(Duration::from_millis(300));
    server.signal("TERM");
    answer(running).assert_ok();
    if let Ok(answer) = queued.join().expect("client") {
        assert!([200, 503].contains(&answer.status), "{answer:?}");
    }
    assert_eq!(server.wait().code(), Some(0));
}

/// Row 100: for the length of the delay only `/ready` says that the host goes.
#[test]
fn drain_delay_serves_on_while_ready_fails() {
    let mut server = Server::start(&guest("hello"), &["--drain-delay", "2s"]);
    let mut kept = Connection::open(&server.client());
    let began = Instant::now();
    server.signal("TERM");
    server.log.wait_for(&["draining", "delay_ms=2000"]);
    let ready = server.client().get("/ready");
    assert_eq!((ready.status, &ready.json()["status"]), (503, &"draining".into()));
    server.client().get("/new").assert_ok();
    for _ in 0..2 {
        kept.send("GET /kept HTTP/1.1\r\nHost: a.example\r\n\r\n");
        kept.answer().expect("an answer").assert_ok();
    }
    assert_eq!(server.wait().code(), Some(0));
    println!("ended after {:?}", began.elapsed());
    assert!(began.elapsed() >= Duration::from_secs(2), "{:?}", began.elapsed());
    server.log.wait_for(&["drained", "finished=3", "cut=0"]);
}

/// Row 100: who connected in time is heard, also when the drain comes before the request does.
#[test]
fn a_connection_made_before_the_drain_is_heard_once() {
    let mut server = Server::start(&guest("hello"), &[]);
    let mut early: Vec<_> = (0..20).map(|_| Connection::open(&server.client())).collect();
    let mut half = Connection::open(&server.client());
    half.send("GET /half HTTP/1.1\r\nHost: a.");
    let mut new = H2::open(&server.client());
    server.signal("TERM");
    eventually("the listener is closed", || TcpStream::connect(server.address).is_err());
    for connection in &mut early {
        assert!(connection.send("GET /early HTTP/1.1\r\nHost: a.example\r\n\r\n"));
    }
    assert!(half.send("example\r\n\r\n"));
    let sent = new.start(new.request("GET", "/new"), true);
    new.answer(sent).expect("a head").assert_ok();
    new.closed().expect("an orderly end");
    for connection in early.iter_mut().chain([&mut half]) {
        let answer = connection.answer().expect("an answer");
        assert_eq!(answer.assert_ok().header("connection"), "close");
        assert_eq!(connection.rest(), b"");
    }
    assert_eq!(server.wait().code(), Some(0));
    server.log.wait_for(&["drained", "finished=22", "cut=0"]);
}

/// Row 100: a client that does not heed GOAWAY is told, request by request.
#[test]
fn late_requests_on_a_kept_connection_answer_503() {
    let mut server = Server::start(&guest("sleep"), &[]);
    let mut frames = Frames::open(&server.client());
    frames.send(&Frame::get(1, "/?ms=3000"));
    eventually("the guest at work", || server.live_instances() == 1);
    server.signal("TERM");
    eventually("the listener is closed", || TcpStream::connect(server.address).is_err());
    frames.send(&Frame::get(3, "/?ms=0"));
    server.log.wait_for(&["request ", "status=503", "reason=\"draining\""]);
    server.log.wait_for(&["request ", "status=200", "reason=\"ok\""]);
    drop(frames);
    assert_eq!(server.wait().code(), Some(0));
}

/// Row 100: light and heavy requests, streams, uploads and kept connections, all at once.
#[test]
fn sigterm_under_mixed_load_loses_no_request() {
    let settings = ["--drain-timeout", "60s", "--queue-timeout", "20s", "--instances", "16"];
    let mut server = Server::start(&guest("crowd"), &settings);
    let client = server.client();
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..12)
        .map(|number| {
            let stop = stop.clone();
            std::thread::spawn(move || {
                let (mut whole, mut wrong) = (0, Vec::new());
                while !stop.load(Relaxed) {
                    // No connection: the door is closed, and nobody was let in.
                    let Ok(stream) = TcpStream::connect(client.address()) else { break };
                    stream.set_read_timeout(Some(SOON)).expect("a socket option");
                    let mut connection = Connection::over(stream);
                    for request in 0..=number % 3 {
                        let first = request == 0;
                        let sent = connection.send("GET /hello HTTP/1.1\r\nHost: a.example\r\n\r\n");
                        match connection.answer() {
                            Some(answer) if answer.status == 200 && !answer.broken => {
                                whole += 1;
                                if answer.header("connection") == "close" {
                                    break;
                                }
                            }
                            // A kept connection may end between two requests (RFC 9112 §9.5), or say so.
                            None if !first => break,
                            Some(answer) if !first && answer.status == 503 => break,
                            other => wrong.push(format!("request {request}, sent {sent}: {other:?}")),
                        }
                    }
                }
                (whole, wrong)
            })
        })
        .collect();
    let heavy: Vec<_> = (0..4).map(|_| client.get_later("/sleep?ms=1500")).collect();
    let mut uploads: Vec<_> = (0..4).map(|_| Connection::open(&client)).collect();
    for upload in &mut uploads {
        assert!(upload.send("POST /read HTTP/1.1\r\nHost: a.example\r\nContent-Length: 10\r\n\r\nfirst"));
    }
    let mut streams: Vec<_> = (0..4).map(|_| Connection::open(&client)).collect();
    for stream in &mut streams {
        assert!(stream.send("GET /events?ms=10 HTTP/1.1\r\nHost: a.example\r\n\r\n"));
        assert_eq!(stream.head_of_answer().map(|head| head.status), Some(200));
    }
    eventually("the host at work", || server.live_instances() >= 8);
    pause(Duration::from_millis(500));
    server.signal("TERM");
    eventually("the listener is closed", || TcpStream::connect(client.address()).is_err());
    for mut upload in uploads {
        assert!(upload.send("after"));
        let answer = upload.answer().expect("an answer to the upload");
        assert_eq!((answer.status, answer.text()), (200, "read\n".to_owned()));
    }
    for mut stream in streams {
        for _ in 0..10 {
            assert!(!stream.chunk().expect("an event after the signal").is_empty());
        }
    }
    assert_eq!(server.wait().code(), Some(0));
    stop.store(true, Relaxed);
    for heavy in heavy {
        answer(heavy).assert_ok();
    }
    let results: Vec<(usize, Vec<String>)> =
        clients.into_iter().map(|client| client.join().expect("client")).collect();
    let whole: usize = results.iter().map(|(whole, _)| whole).sum();
    let wrong: Vec<_> = results.iter().flat_map(|(_, wrong)| wrong).collect();
    println!("{whole} answers, {} lost", wrong.len());
    assert!(wrong.is_empty() && whole > 0, "{wrong:#?}");
    println!("{}", server.log.wait_for(&["drained", "cut=0"]));
}

/// sd_notify(3): up, and about to go.
#[test]
fn service_manager_is_told() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("notify");
    let manager = UnixDatagram::bind(&path).expect("a socket");
    manager.set_read_timeout(Some(SOON)).expect("a socket option");
    let mut server = Server::start_with(&guest("hello"), &[], |host| {
        host.env("NOTIFY_SOCKET", &path);
    });
    let told = || {
        let mut told = [0; 256];
        let length = manager.recv(&mut told).expect("a word");
        String::from_utf8_lossy(&told[..length]).into_owned()
    };
    assert_eq!(told(), format!("READY=1\nMAINPID={}\n", server.pid()));
    server.client().get("/").assert_ok();
    server.signal("TERM");
    assert_eq!(told(), "STOPPING=1\n");
    assert_eq!(server.wait().code(), Some(0));
}
