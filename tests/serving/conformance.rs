//! What `wasi:http` promises, claim by claim: the tables in `tests/conformance` quote the interface and
//! name the check of every claim. Most checks are a guest's own; those whose other half is on the wire
//! are tests here or beside.

#[path = "conformance/table.rs"]
mod table;
#[path = "conformance/upstream.rs"]
mod upstream;

use crate::harness::{Connection, Server, eventually, guest};
use std::net::TcpListener;
use table::Check;
use upstream::Upstream;

/// A version of the interface: its table, the files of `wit/` that it quotes, and the guest that checks it.
struct Version {
    table: &'static str,
    quoted: &'static [&'static str],
    guest: &'static str,
}

const VERSION_0_2: Version =
    Version { table: "wasi-http-0.2", quoted: &["deps/http.wit", "deps/io.wit"], guest: "conform" };
const VERSION_0_3: Version =
    Version { table: "wasi-http-0.3", quoted: &["deps/http-0.3.wit"], guest: "conform3" };

impl Version {
    fn start(&self) -> Server {
        let granted = ["--allow-outbound", "127.0.0.1:*", "--allow-outbound", "nowhere.invalid:*"];
        Server::start(&guest(self.guest), &granted)
    }
}

fn conform() -> Server {
    VERSION_0_2.start()
}

fn conform3() -> Server {
    VERSION_0_3.start()
}

#[test]
fn every_claim_is_quoted_and_has_its_check() {
    let mut all = Vec::new();
    for version in [VERSION_0_2, VERSION_0_3] {
        let rows = table::rows(version.table);
        table::assert_quoted(&rows, version.quoted);
        table::assert_checks(&rows, &version.start().client().get("/").assert_ok().text());
        all.extend(rows);
    }
    table::assert_tests(&all, "conformance", &OF_EVERY_ROW);
}

/// Tests that are about the tables, and have no row of their own.
const OF_EVERY_ROW: [&str; 4] = [
    "conformance::every_claim_is_quoted_and_has_its_check",
    "conformance::claims_of_0_2_that_a_guest_can_check_by_itself_hold",
    "conformance::claims_of_0_3_that_a_guest_can_check_by_itself_hold",
    "conformance::what_the_interface_says_traps_does",
];

#[test]
fn claims_of_0_2_that_a_guest_can_check_by_itself_hold() {
    assert_guest_checks(&VERSION_0_2);
}

#[test]
fn claims_of_0_3_that_a_guest_can_check_by_itself_hold() {
    assert_guest_checks(&VERSION_0_3);
}

#[track_caller]
fn assert_guest_checks(version: &Version) {
    let server = version.start();
    let upstream = Upstream::start();
    let closed = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("an address");
    let query = format!("upstream={}&closed={closed}", upstream.address);
    let mut failed = Vec::new();
    let mut checked = 0;
    for row in table::rows(version.table) {
        let Check::Guest(name) = &row.check else { continue };
        // Some read what they are sent.
        let reads = name.starts_with("stream-") || name == "body-of-the-request-is-its-contents";
        let body: Option<&[u8]> = reads.then_some(b"0123456789");
        let method = if reads { "POST" } else { "GET" };
        let answer = server.client().send(method, &format!("/{name}?{query}"), &[], body);
        let text = answer.map_or_else(|error| error, |answer| format!("{} {}", answer.status, answer.text()));
        checked += 1;
        if text != "200 pass\n" {
            failed.push(format!("{} ({}): {text}", row.item, row.claim));
        }
    }
    println!("{checked} claims checked");
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn what_the_interface_says_traps_does() {
    let server = conform();
    for row in table::rows(VERSION_0_2.table) {
        if let Check::Trap(name) = &row.check {
            println!("{name}");
            server.client().get(&format!("/trap/{name}")).assert_problem(500, "guest_trap");
        }
    }
    server.wait_idle();
}

#[test]
fn request_reaches_the_guest_as_it_was_sent() {
    let server = Server::start(&guest("headers"), &[]);
    for method in ["GET", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "PROPFIND"] {
        let mut connection = Connection::open(&server.client());
        connection.send(format!(
            "{method} /a%20b/c?d=e&f HTTP/1.1\r\nHost: a.example:8080\r\nX-Twice: 1\r\nx-twice: 2\r\nContent-Length: 0\r\n\r\n"
        ));
        let text = connection.answer().expect("an answer").assert_ok().text();
        for expected in [
            &format!("method {method}"),
            "path-with-query /a%20b/c?d=e&f",
            "scheme http",
            "authority a.example:8080",
            "header x-twice: 1",
            "header x-twice: 2",
        ] {
            assert!(text.lines().any(|line| line == expected), "no {expected:?}: {text}");
        }
    }
}

#[test]
fn fields_leave_in_the_order_of_their_entries() {
    let server = conform();
    let answer =
        server.client().raw(b"GET /wire/fields HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n");
    let own: Vec<_> =
        answer.lines().filter(|line| line.starts_with("x-") && !line.starts_with("x-request")).collect();
    assert_eq!(own, ["x-c: 1", "x-a: 2", "x-b: 3", "x-b: 4", "x-d: "], "{answer}");
}

#[test]
fn trailers_of_a_request_reach_the_guest_and_cannot_be_changed() {
    let server = conform();
    let mut connection = Connection::open(&server.client());
    connection.send(
        "POST /wire/trailers HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n",
    );
    connection.send_chunk(b"hello");
    connection.send("0\r\nx-sum: 7\r\n\r\n");
    let text = connection.answer().expect("an answer").assert_ok().text();
    assert_eq!(text, "[[55]] immutable true\n");
}

#[test]
fn error_in_the_place_of_a_response_is_answered_for() {
    let server = conform();
    server.client().get("/wire/error").assert_problem(500, "guest_error");
}

#[test]
fn guest_goes_on_after_its_response() {
    let server = conform();
    assert_eq!(server.client().get("/wire/after").assert_ok().text(), "answered\n");
    server.log.wait_for(&["still at work"]);
}

#[test]
fn body_that_was_dropped_unfinished_does_not_look_whole() {
    let server = conform();
    // It may be cut so early that not even its head is there.
    if let Ok(answer) = server.client().send("GET", "/wire/unfinished", &[], None) {
        assert_eq!((answer.status, answer.broken), (200, true), "{answer:?}");
    }
    server.log.wait_for(&["reason=\"body_unfinished\""]);
}

#[test]
fn response_whose_body_was_never_taken_is_empty_and_whole() {
    let server = conform();
    assert_eq!(server.client().get("/wire/without-body").assert_ok().body, b"");
}

#[test]
fn request_body_that_was_dropped_unfinished_does_not_look_whole() {
    let server = conform();
    let upstream = Upstream::start();
    let answer = server.client().get(&format!("/wire/unfinished-request?upstream={}", upstream.address));
    println!("{}", answer.assert_ok().text());
    eventually("the request at the server", || !upstream.seen().is_empty());
    let seen = upstream.seen();
    assert!(seen.iter().all(|request| !request.whole), "{seen:?}");
    assert!(answer.text().contains("Err("), "the guest is told nothing: {}", answer.text());
}

#[test]
fn trailers_of_a_request_reach_the_guest_in_0_3() {
    let server = conform3();
    let mut connection = Connection::open(&server.client());
    connection.send(
        "POST /wire/trailers HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n",
    );
    connection.send_chunk(b"hello");
    connection.send("0\r\nx-sum: 7\r\n\r\n");
    assert_eq!(connection.answer().expect("an answer").assert_ok().text(), "[[55]]\n");
}

#[test]
fn error_in_the_place_of_a_response_is_answered_for_in_0_3() {
    let server = conform3();
    server.client().get("/wire/error").assert_problem(500, "guest_error");
}

#[test]
fn transmission_of_a_response_is_told_in_0_3() {
    let server = conform3();
    assert_eq!(server.client().get("/wire/transmission").assert_ok().text(), "answered\n");
    server.log.wait_for(&["transmission: Ok(())"]);
}

#[test]
fn error_in_the_place_of_trailers_cuts_the_response_in_0_3() {
    let server = conform3();
    // It may be cut so early that not even its head is there.
    if let Ok(answer) = server.client().send("GET", "/wire/trailers-error", &[], None) {
        assert_eq!((answer.status, answer.broken), (200, true), "{answer:?}");
    }
}

#[test]
fn response_without_contents_is_empty_and_whole_in_0_3() {
    let server = conform3();
    assert_eq!(server.client().get("/wire/without-body").assert_ok().body, b"");
}
