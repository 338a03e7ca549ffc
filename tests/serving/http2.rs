//! HTTP/2 beside HTTP/1.1 on one port: the same answers, the same limits, and a failure that a client
//! can tell from an end.

use crate::harness::{Connection, H2, Server, eventually, guest};
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
    let server = Server::start(&guest("sleep"), &["--max-streams", "3"]);
    let mut client = H2::open(&server.client());
    client.get("/?ms=0").assert_ok();
    // This client keeps to what it is told: the fourth waits for a place.
    let sent: Vec<_> = (0..6).map(|_| client.start(client.request("GET", "/?ms=500"), true)).collect();
    eventually("three guests at work", || server.live_instances() == 3);
    while server.live_instances() > 0 {
        assert!(server.live_instances() <= 3, "a fourth stream was let in");
    }
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
