//! Bytes that are no request, or two at once to some other server: no guest sees anything that was
//! hidden in them, and the next connection works.

use crate::harness::{Server, guest};

const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a.example\r\n\r\n";

/// What may come of a case.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Expected {
    /// Refused with this status before any guest hears of it.
    Status(u16),
    /// Read as one request, and the connection closed after it.
    OneAnswer,
}
use Expected::{OneAnswer, Status};

/// A request with these fields and this body, followed by one that must not be seen.
fn post(fields: &str, body: &str) -> Vec<u8> {
    format!("POST / HTTP/1.1\r\nHost: a.example\r\n{fields}\r\n{body}{SMUGGLED}").into_bytes()
}

#[track_caller]
fn check(server: &Server, name: &str, request: &[u8], expected: Expected) {
    let answer = server.client().raw(request);
    let statuses: Vec<u16> =
        answer.split("HTTP/1.1 ").skip(1).filter_map(|answer| answer.get(..3)?.parse().ok()).collect();
    println!("{name}: {statuses:?}");
    assert!(!answer.contains("/smuggled"), "{name}: {answer}");
    match expected {
        Status(status) => assert_eq!(statuses, [status], "{name}: {answer}"),
        OneAnswer => assert!(statuses.len() <= 1, "{name}: {answer}"),
    }
    server.client().get("/next").assert_ok();
}

/// Rows 55 to 58: what other servers read in two ways.
#[test]
fn ambiguous_framing_hides_no_request() {
    let server = Server::start(&guest("headers"), &[]);
    let chunked = "Transfer-Encoding: chunked\r\n";
    let cases: [(&str, Vec<u8>, Expected); 12] = [
        ("two lengths", post("Content-Length: 0\r\nContent-Length: 5\r\n", "hello"), Status(400)),
        ("list of lengths", post("Content-Length: 0, 5\r\n", "hello"), Status(400)),
        ("signed length", post("Content-Length: +5\r\n", "hello"), Status(400)),
        ("negative length", post("Content-Length: -1\r\n", ""), Status(400)),
        ("hexadecimal length", post("Content-Length: 0x5\r\n", "hello"), Status(400)),
        ("length of 2^64", post("Content-Length: 18446744073709551616\r\n", ""), Status(400)),
        ("length and chunked", post(&format!("Content-Length: 5\r\n{chunked}"), "0\r\n\r\n"), OneAnswer),
        ("chunked and length", post(&format!("{chunked}Content-Length: 5\r\n"), "0\r\n\r\n"), OneAnswer),
        ("unknown encoding", post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"), Status(400)),
        ("chunked not last", post("Transfer-Encoding: chunked, gzip\r\n", "0\r\n\r\n"), Status(400)),
        ("chunked twice", post("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"), Status(400)),
        ("chunked over HTTP/1.0", old(&format!("POST / HTTP/1.0\r\n{chunked}\r\n0\r\n\r\n")), Status(400)),
    ];
    for (name, request, expected) in &cases {
        check(&server, name, request, *expected);
    }
}

fn old(request: &str) -> Vec<u8> {
    format!("{request}{SMUGGLED}").into_bytes()
}

/// Row 56: what is no HTTP.
#[test]
fn malformed_heads_answer_400() {
    let server = Server::start(&guest("headers"), &[]);
    let cases: [(&str, Vec<u8>); 12] = [
        ("NUL in a value", post("X-Nul: a\0b\r\n", "")),
        ("NUL in a name", post("X-\0Nul: a\r\n", "")),
        ("space before the colon", post("Content-Length : 5\r\n", "hello")),
        ("space before the first name", post(" Content-Length: 5\r\n", "hello")),
        ("folded line", post("X-Folded: a\r\n b\r\n", "")),
        ("no colon", post("X-No-Colon\r\n", "")),
        ("no name", post(": a\r\n", "")),
        ("carriage return in a value", post("X-Cr: a\rb\r\n", "")),
        ("escape in the target", b"GET /\x1b[31m HTTP/1.1\r\nHost: a.example\r\n\r\n".to_vec()),
        ("space in the target", b"GET /a b HTTP/1.1\r\nHost: a.example\r\n\r\n".to_vec()),
        ("unknown version", b"GET / HTTP/3.7\r\nHost: a.example\r\n\r\n".to_vec()),
        ("no request", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec()),
    ];
    for (name, request) in &cases {
        check(&server, name, request, Status(400));
    }
}

/// Row 58 and bad sizes: a guest that reads is told, one that does not is not bothered.
#[test]
fn broken_chunks_end_the_connection() {
    for reader in ["echo", "headers"] {
        let server = Server::start(&guest(reader), &[]);
        let extension = format!("5;{}\r\nhello\r\n0\r\n\r\n", "e".repeat(100_000));
        let trailer = format!("0\r\n{}\r\n", "x-trailer: 1\r\n".repeat(10_000));
        let cases = [
            ("no number", "five\r\nhello\r\n0\r\n\r\n"),
            ("negative", "-5\r\nhello\r\n0\r\n\r\n"),
            ("with 0x", "0x5\r\nhello\r\n0\r\n\r\n"),
            ("beyond 64 bits", "10000000000000000\r\nhello\r\n0\r\n\r\n"),
            ("no line end after it", "5\r\nhelloworld\r\n0\r\n\r\n"),
            ("bare line feed", "5\nhello\r\n0\r\n\r\n"),
            ("endless extension", &extension),
            ("endless trailers", &trailer),
        ];
        for (name, body) in cases {
            let request = post("Transfer-Encoding: chunked\r\n", body);
            check(&server, &format!("{reader}, {name}"), &request, OneAnswer);
        }
        server.wait_idle();
    }
}

/// Row 57: a bare line feed ends a line, as RFC 9112 §2.2 permits, and hides nothing.
#[test]
fn bare_line_feeds_are_line_ends() {
    let server = Server::start(&guest("headers"), &[]);
    let answer = server.client().raw(b"GET /bare HTTP/1.1\nHost: a.example\nConnection: close\nX-A: 1\n\n");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains("path-with-query /bare\n") && answer.contains("header x-a: 1\n"), "{answer}");
}

#[test]
fn half_a_request_is_never_served() {
    let server = Server::start(&guest("headers"), &["--header-timeout", "300ms"]);
    for half in ["", "G", "GET / HT", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: a.example\r\n"] {
        let answer = server.client().raw(half.as_bytes());
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{half:?}: {answer}");
    }
    server.client().get("/").assert_ok();
    let log = server.log.clone();
    server.stop();
    assert_eq!(log.lines_with(" request ").len(), 1, "{:?}", log.lines_with(" request "));
}
