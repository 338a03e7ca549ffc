//! HTTP/2 beside HTTP/1.1 on one port: the same answers, the same limits, and a failure that a client
//! can tell from an end.

use crate::harness::frames::{END_HEADERS, END_STREAM};
use crate::harness::{Connection, Frame, Frames, H2, Server, eventually, guest, kind, literal};
use bytes::Bytes;
use h2::Reason;

#[test]
fn one_port_speaks_both_protocols() {
    let server = Server::start(&guest("headers"), &[]);
    let mut new = H2::open(&server.client());
    let text = new.get("/new?x=1").assert_ok().text();
    assert!(text.contains("path-with-query /new?x=1\n"), "{text}");
    assert!(text.contains(&format!("authority {}\n", server.address)), "{text}");
    assert!(text.contains("scheme http\n"), "{text}");
    let old = server.client().get("/old").assert_ok().text();
    assert!(old.contains("path-with-query /old\n"), "{old}");
    assert_eq!(new.get("/health").json()["status"], "ok");
    assert_eq!(new.get("/ready").json()["status"], "ready");
}

#[test]
fn bodies_go_both_ways() {
    let server = Server::start(&guest("echo"), &[]);
    let mut client = H2::open(&server.client());
    let body: Vec<u8> = (0..3_000_000_u32).map(|byte| byte.to_le_bytes()[0]).collect();
    let answer = client.post("/", &body);
    assert_eq!((answer.status, answer.broken), (200, false));
    assert!(answer.body == body, "{} bytes came back", answer.body.len());
}

#[test]
fn many_requests_share_a_connection() {
    let server = Server::start(&guest("sleep"), &[]);
    let mut client = H2::open(&server.client());
    let sent: Vec<_> = (0..50).map(|_| client.start(client.request("GET", "/?ms=500"), true)).collect();
    eventually("all instances to live", || server.live_instances() == 50);
    for sent in sent {
        assert_eq!(client.answer(sent).expect("a head").assert_ok().text(), "slept 500\n");
    }
    server.stop();
}

/// Row 49: a client that opens more streams than it may has them refused, and the others go on.
#[test]
fn streams_of_a_connection_are_bounded() {
    let server = Server::start(&guest("sleep"), &["--max-concurrent-streams", "3"]);
    let six = |path: &str| {
        let mut client = H2::open(&server.client());
        // It is told how many streams there may be.
        client.get("/?ms=0").assert_ok();
        let sent: Vec<_> = (0..6).map(|_| client.start(client.request("GET", path), true)).collect();
        (client, sent)
    };
    // This client keeps to what it is told: the fourth waits for a place, and none of these gives it one.
    let crowd = six("/?ms=600000");
    eventually("three guests at work", || server.live_instances() == 3);
    for _ in 0..50 {
        assert_eq!(server.live_instances(), 3, "a fourth stream was let in");
    }
    drop(crowd);
    server.wait_idle();
    // Where they do, all of them are answered.
    let (client, sent) = six("/?ms=50");
    for sent in sent {
        client.answer(sent).expect("a head").assert_ok();
    }
}

#[test]
fn every_limit_of_a_head_holds() {
    let server = Server::start(&guest("headers"), &["--max-uri", "64", "--max-body", "10"]);
    let mut client = H2::open(&server.client());
    let mut ask = |request: http::request::Builder| {
        let sent = client.start(request, true);
        client.answer(sent).expect("a head")
    };
    let get = |path: &str| http::Request::builder().uri(format!("http://a.example{path}"));
    ask(get("/")).assert_ok();
    ask(get("/").header("host", "A.example")).assert_ok();
    ask(get("/").header("host", "b.example")).assert_problem(400, "bad_request");
    ask(get(&format!("/{}", "a".repeat(64)))).assert_problem(414, "uri_too_long");
    let mut crowded = get("/");
    for number in 0..101 {
        crowded = crowded.header(format!("x-{number}"), "1");
    }
    ask(crowded).assert_problem(431, "headers_too_large");
    ask(get("/").header("x-pad", "a".repeat(33 * 1024))).assert_problem(431, "headers_too_large");
    ask(get("/").method("POST").header("content-length", "0")).assert_ok();
    // What is past even hyper's room is refused without a reason, and the connection goes on.
    assert_eq!(ask(get("/").header("x-pad", "a".repeat(100 * 1024))).status, 431);
    ask(http::Request::builder().method("CONNECT").uri("a.example:443"))
        .assert_problem(501, "not_implemented");
    ask(get("/")).assert_ok();
    let mut sent = client.start(client.request("POST", "/").header("content-length", "11"), false);
    sent.body.send_data(Bytes::from_static(b"hello world"), true).expect("an open stream");
    client.answer(sent).expect("a head").assert_problem(413, "body_too_large");
}

/// Row 11: after the head only a reset can say that an answer is not whole, and it says whose fault it is.
#[test]
fn answer_that_fails_after_its_head_is_reset() {
    let server = Server::start(&guest("wedge"), &["--timeout", "500ms"]);
    let mut client = H2::open(&server.client());
    let sent = client.start(client.request("GET", "/"), true);
    let (answer, reset) = client.whole_answer(sent).expect("a head");
    assert_eq!((answer.status, answer.text().as_str()), (200, "partial\n"));
    assert_eq!(reset, Some(Reason::INTERNAL_ERROR));
    server.log.wait_for(&["status=200", "guest_timeout"]);
    assert_eq!(client.get("/health").status, 200, "the connection goes on");
    server.wait_idle();
}

/// Row 66: a stream that its client resets takes its guest with it, before an answer and during one.
#[test]
fn reset_by_the_client_ends_the_guest() {
    let server = Server::start(&guest("mixed"), &["--timeout", "10m", "--cpu-time", "10m"]);
    let mut client = H2::open(&server.client());
    for path in ["/spin", "/sleep"] {
        let mut sent = client.start(client.request("GET", path), true);
        eventually("the guest at work", || server.live_instances() == 1);
        sent.body.send_reset(Reason::CANCEL);
        server.wait_idle();
        server.log.wait_for(&["client_gone", path]);
    }
    assert_eq!(client.get("/health").status, 200, "the connection goes on");

    let server = Server::start(&guest("sse"), &["--timeout", "10m"]);
    let mut client = H2::open(&server.client());
    let sent = client.start(client.request("GET", "/?n=0&ms=50"), true);
    let mut stream = client.wait(sent.answer).expect("a head").into_body();
    client.wait(stream.data()).expect("more").expect("an event");
    drop((stream, sent.body));
    server.wait_idle();
    server.log.wait_for(&["client_gone", "status=200"]);
}

/// Row 100: running streams finish, new ones are not taken.
#[test]
fn drain_lets_streams_finish_and_says_goaway() {
    let mut server = Server::start(&guest("sleep"), &[]);
    let mut client = H2::open(&server.client());
    let idle = H2::open(&server.client());
    let sent = client.start(client.request("GET", "/?ms=1000"), true);
    eventually("the guest at work", || server.live_instances() == 1);
    server.signal("TERM");
    server.log.wait_for(&["draining"]);
    idle.closed().expect("an orderly end");
    assert_eq!(client.answer(sent).expect("a head").assert_ok().text(), "slept 1000\n");
    client.closed().expect("an orderly end");
    assert_eq!(server.wait().code(), Some(0));
    server.log.wait_for(&["drained", "cut=0"]);
}

/// Row 68: the upgrade of HTTP/1.1 to HTTP/2 is ignored, as RFC 9113 asks; only the preface counts.
#[test]
fn upgrade_to_h2c_is_ignored() {
    let server = Server::start(&guest("headers"), &[]);
    let mut connection = Connection::open(&server.client());
    connection.send(
        "GET /plain HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade, HTTP2-Settings\r\n\
         Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
    );
    let text = connection.answer().expect("an answer").assert_ok().text();
    assert!(text.contains("path-with-query /plain\n"), "{text}");
}

/// An answer to HEAD, a 204 and a 304 have no body, whatever the guest writes; a client that got one
/// would take it for a mistake of the protocol.
#[test]
fn bodiless_answers_end_with_their_head() {
    let server = Server::start(&guest("hello"), &[]);
    let mut client = H2::open(&server.client());
    for path in ["/", "/health"] {
        let sent = client.start(client.request("HEAD", path), true);
        assert_eq!(client.answer(sent).expect("a head").assert_ok().text(), "", "{path}");
    }
    server.log.wait_for(&["method=HEAD", "reason=\"ok\""]);
    server.wait_idle();
    let server = Server::start(&guest("status"), &[]);
    let mut client = H2::open(&server.client());
    for code in [204, 304] {
        let answer = client.get(&format!("/?code={code}&status={code}"));
        assert_eq!((answer.status, answer.broken, answer.text().as_str()), (code, false, ""), "{answer:?}");
    }
    server.wait_idle();
}

/// RFC 9113 §8.1.1: a request that is malformed is reset, and no guest sees it.
#[test]
fn malformed_requests_are_reset() {
    let server = Server::start(&guest("headers"), &[]);
    let good = [(":method", "GET"), (":scheme", "http"), (":path", "/bad"), (":authority", "a.example")];
    let with = |more: &[(&'static str, &'static str)]| [&good, more].concat();
    let cases = [
        ("connection-specific", with(&[("connection", "close")])),
        ("chunked", with(&[("transfer-encoding", "chunked")])),
        ("upgrade", with(&[("upgrade", "h2c")])),
        ("te but trailers", with(&[("te", "gzip")])),
        ("capitals", with(&[("X-Capital", "1")])),
        ("pseudo after a field", with(&[("x", "1"), (":path", "/other")])),
        ("unknown pseudo", with(&[(":strange", "1")])),
        ("two paths", with(&[(":path", "/other")])),
        ("a response's", with(&[(":status", "200")])),
        ("no method", good[1..].to_vec()),
        ("no path", [&good[..2], &good[3..]].concat()),
        ("no scheme", [&good[..1], &good[2..]].concat()),
        ("line feed in a value", with(&[("x", "a\nb: c")])),
        ("nul in a value", with(&[("x", "a\0b")])),
        ("two hosts", with(&[("host", "a.example"), ("host", "a.example")])),
        ("other host", with(&[("host", "b.example")])),
        ("length and no body", with(&[("content-length", "5")])),
        ("two lengths", with(&[("content-length", "0"), ("content-length", "5")])),
    ];
    for (name, fields) in cases {
        let mut client = Frames::open(&server.client());
        let block: Vec<u8> = fields.iter().flat_map(|(name, value)| literal(name, value)).collect();
        client.send(&Frame::new(kind::HEADERS, END_HEADERS | END_STREAM, 1, block));
        let answer = client
            .find(|frame| matches!(frame.kind, kind::HEADERS | kind::RST_STREAM | kind::GOAWAY))
            .unwrap_or_else(|| panic!("{name}: closed without a word"));
        // `:status: 400`, the twelfth entry of the static table (RFC 7541, appendix A).
        let refused = answer.kind != kind::HEADERS || answer.payload.first() == Some(&0x8c);
        println!("{name}: {answer:?}");
        assert!(refused, "{name}: {answer:?}");
    }
    server.client().get("/good").assert_ok();
    let log = server.log.clone();
    server.stop();
    assert!(log.lines_with("status=200").iter().all(|line| !line.contains("/bad")));
}

/// Rows 39 and 52: a body that was not declared is bounded as it comes, in size and in time.
#[test]
fn bodies_are_bounded_as_they_come() {
    let server = Server::start(&guest("echo"), &["--max-body", "64KiB", "--body-timeout", "500ms"]);
    let mut client = H2::open(&server.client());
    let body = vec![7; 64 * 1024];
    assert!(client.post("/", &body).assert_ok().body == body);
    let server = Server::start(&guest("read-body"), &["--max-body", "64KiB", "--body-timeout", "500ms"]);
    let mut client = H2::open(&server.client());
    client.post("/", &[7; 64 * 1024 + 1]).assert_problem(413, "body_too_large");
    let mut sent = client.start(client.request("POST", "/"), false);
    sent.body.send_data(Bytes::from_static(b"hello"), false).expect("an open stream");
    client.answer(sent).expect("a head").assert_problem(408, "body_timeout");
    assert_eq!(client.get("/health").status, 200, "the connection goes on");
    server.wait_idle();
}

/// Row 54: a guest that answers without reading ends the upload, not the connection.
#[test]
fn upload_that_nobody_reads_is_told_to_stop() {
    let server = Server::start(&guest("hello"), &["--max-concurrent-streams", "2"]);
    let mut client = Frames::open(&server.client());
    for number in 0..20 {
        let stream = 2 * number + 1;
        client.send(&Frame::new(kind::HEADERS, END_HEADERS, stream, crate::harness::head("POST", "/")));
        client.send(&Frame::new(kind::DATA, 0, stream, [0; 1024]));
        let reset = client
            .find(|frame| frame.kind == kind::RST_STREAM && frame.stream == stream)
            .expect("the connection goes on");
        assert_eq!(reset.code(), 0, "RFC 9113 §8.1: no error");
    }
    server.wait_idle();
}
