//! Clients that say nothing, or too little, or do not read: each is cut off in its time, and whoever
//! is merely slow is not.

use crate::harness::{Client, Connection, Frame, Frames, H2, SOON, Server, eventually, guest, kind, pause};
use h2::Reason;
use socket2::{Domain, Socket, Type};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// How late an end may be seen on a machine that is busy with other tests.
const LATE_MAX: Duration = Duration::from_secs(10);

/// Waits until the host closes; returns after how long since `began`, and what it still said.
fn closed(stream: &mut TcpStream, began: Instant) -> (Duration, Vec<u8>) {
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said);
    (began.elapsed(), said)
}

#[track_caller]
fn assert_within(took: Duration, limit: Duration) {
    // The host's clock may have begun a moment before this one.
    let early = Duration::from_millis(50);
    assert!((limit - early..limit + LATE_MAX).contains(&took), "{took:?} of {limit:?}");
}

/// Rows 37 and 38: nothing, half a preface of HTTP/2, half a head of HTTP/1.
#[test]
fn who_does_not_finish_a_head_is_cut_off() {
    let server = Server::start(&guest("hello"), &["--header-timeout", "500ms", "--idle-timeout", "10m"]);
    for half in ["", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r", "GET / HTTP/1.1\r\nHost: a.ex"] {
        let began = Instant::now();
        let mut stream = server.client().connect();
        stream.write_all(half.as_bytes()).expect("the host reads");
        let (took, said) = closed(&mut stream, began);
        println!("{half:?}: closed after {took:?}");
        assert!(said.is_empty(), "{half:?}: {}", String::from_utf8_lossy(&said));
        assert_within(took, Duration::from_millis(500));
    }
}

/// Row 37: a byte now and then does not prolong it, on the first request or a later one.
#[test]
fn dripping_a_head_is_no_way_to_stay() {
    let server = Server::start(&guest("hello"), &["--header-timeout", "1s", "--idle-timeout", "10m"]);
    for requests in [0, 2] {
        let mut connection = Connection::open(&server.client());
        for _ in 0..requests {
            connection.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
            connection.answer().expect("an answer").assert_ok();
        }
        let began = Instant::now();
        let drips = b"GET / HTTP/1.1\r\nx: ".iter().copied().chain(std::iter::repeat(b'a'));
        for drip in drips {
            if !connection.send([drip]) {
                break;
            }
            assert!(began.elapsed() < SOON, "still dripping");
            pause(Duration::from_millis(20));
        }
        println!("after {requests} requests: closed after {:?}", began.elapsed());
        assert_within(began.elapsed(), Duration::from_secs(1));
    }
}

/// The pause between two requests has a limit of its own, which is not that of a head.
#[test]
fn idle_connections_are_closed_in_their_own_time() {
    let server = Server::start(&guest("hello"), &["--header-timeout", "300ms", "--idle-timeout", "1500ms"]);
    let mut connection = Connection::open(&server.client());
    for _ in 0..2 {
        assert!(connection.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"));
        connection.answer().expect("an answer").assert_ok();
        pause(Duration::from_millis(700));
    }
    connection.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
    connection.answer().expect("an answer").assert_ok();
    let began = Instant::now();
    assert_eq!(connection.rest(), b"");
    println!("closed after {:?}", began.elapsed());
    assert_within(began.elapsed(), Duration::from_millis(1500));
}

/// Pings are no requests.
#[test]
fn idle_http2_connections_are_told_to_go() {
    let server = Server::start(&guest("sleep"), &["--idle-timeout", "1s"]);
    let mut client = H2::open(&server.client());
    let began = Instant::now();
    assert_eq!(client.get("/?ms=2000").assert_ok().text(), "slept 2000\n");
    let answered = Instant::now();
    client.closed().expect("an orderly end");
    assert!(began.elapsed() >= Duration::from_secs(3), "{:?}", began.elapsed());
    assert_within(answered.elapsed(), Duration::from_secs(1));

    let mut client = Frames::open(&server.client());
    let began = Instant::now();
    let mut writer = Frames { stream: client.stream.try_clone().expect("a second handle") };
    let pings = std::thread::spawn(move || {
        while writer.send(&Frame::new(kind::PING, 0, 0, [0; 8])) && began.elapsed() < SOON {
            pause(Duration::from_millis(50));
        }
    });
    // It does not answer the host's ping, either: what follows the GOAWAY has a limit, too.
    let goaway = client.find(|frame| frame.kind == kind::GOAWAY).expect("a word");
    assert_eq!(goaway.code(), 0, "no error");
    assert_within(began.elapsed(), Duration::from_secs(1));
    assert_eq!(client.find(|_| false), None);
    pings.join().expect("pings");
}

/// A connection whose kernel keeps no more than a few KiB for it.
fn narrow(client: &Client) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(8 * 1024).expect("a socket option");
    socket.connect(&client.address().into()).expect("the host accepts");
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(SOON)).expect("a socket option");
    stream
}

/// Row 40: reading a little is no way to hold an instance, though the guest would go on for minutes.
#[test]
fn who_drips_or_does_not_read_is_cut_off_long_before_the_guest() {
    let server = Server::start(&guest("endless"), &["--timeout", "10m", "--write-timeout", "1s"]);
    for drips in [false, true] {
        let mut stream = narrow(&server.client());
        let path = if drips { "/drip" } else { "/none" };
        let request = format!("GET {path} HTTP/1.1\r\nHost: a.example\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("the host reads");
        let began = Instant::now();
        eventually("the guest at work", || server.live_instances() == 1);
        while server.live_instances() == 1 {
            assert!(began.elapsed() < SOON, "{path}: it still holds its instance");
            if drips {
                // A reset is an end, too.
                let _ = stream.read(&mut [0; 128]);
            }
            pause(Duration::from_millis(50));
        }
        println!("{path}: instance gone after {:?}", began.elapsed());
        assert_within(began.elapsed(), Duration::from_secs(1));
        let path = format!("path=\"{path}\"");
        server.log.wait_for(&["request ", &path, "reason=\"write_timeout\""]);
    }
}

#[test]
fn who_reads_slowly_is_served_to_the_end() {
    let server = Server::start(&guest("endless"), &["--timeout", "10m", "--write-timeout", "1s"]);
    let mut stream = narrow(&server.client());
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").expect("the host reads");
    let began = Instant::now();
    let mut part = vec![0; 8 * 1024];
    while began.elapsed() < Duration::from_secs(4) {
        stream.read_exact(&mut part).expect("an endless body");
        pause(Duration::from_millis(50));
    }
    assert_eq!(server.live_instances(), 1);
    drop(stream);
    server.wait_idle();
}

/// Row 40 in HTTP/2, where the socket takes everything and the stream's window is shut.
#[test]
fn stream_whose_window_stays_shut_is_reset() {
    let server = Server::start(&guest("mixed"), &["--timeout", "10m", "--write-timeout", "1s"]);
    let mut client = H2::open_with(&server.client(), 0);
    let began = Instant::now();
    let sent = client.start(client.request("GET", "/hello"), true);
    let (answer, reset) = client.whole_answer(sent).expect("a head");
    println!("reset after {:?}", began.elapsed());
    assert_eq!((answer.status, reset), (200, Some(Reason::CANCEL)));
    assert_within(began.elapsed(), Duration::from_secs(1));
    server.log.wait_for(&["request ", "reason=\"write_timeout\""]);
    server.wait_idle();
}

/// The same, one byte at a time.
#[test]
fn stream_whose_window_opens_by_drips_is_reset() {
    let server = Server::start(&guest("endless"), &["--timeout", "10m", "--write-timeout", "1s"]);
    let mut client = Frames::open(&server.client());
    client.send(&Frame::get(1, "/"));
    let mut writer = Frames { stream: client.stream.try_clone().expect("a second handle") };
    let began = Instant::now();
    let drips = std::thread::spawn(move || {
        while began.elapsed() < SOON && writer.send(&Frame::window(0, 1)) && writer.send(&Frame::window(1, 1))
        {
            pause(Duration::from_millis(10));
        }
    });
    let reset = client.find(|frame| frame.kind == kind::RST_STREAM).expect("a reset");
    println!("reset after {:?}", began.elapsed());
    assert_eq!(reset.stream, 1);
    assert_within(began.elapsed(), Duration::from_secs(1));
    server.log.wait_for(&["request ", "reason=\"write_timeout\""]);
    server.wait_idle();
    drop((client, server));
    drips.join().expect("drips");
}
