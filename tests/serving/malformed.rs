//! Bytes that are no request, or two at once to some other server: no guest sees anything that was
//! hidden in them, and the next connection works.

use crate::harness::{Server, guest, workspace};

const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a.example\r\n\r\n";

/// What may come of a case.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Expected {
    /// Answered once, with this status.
    Status(u16),
    /// Read as one request, and the connection closed after it.
    OneAnswer,
}
use Expected::{OneAnswer, Status};

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

/// The requests of `tests/raw`, each with what is expected of it.
fn corpus() -> Vec<(String, Vec<u8>, Expected)> {
    let directory = workspace().join("tests/raw");
    let table = std::fs::read_to_string(directory.join("expected.txt")).expect("the table");
    let rows = table.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let case = |row: &str| {
        let (name, expected) = row.split_once(' ').expect("a name and what is expected");
        let request = std::fs::read(directory.join(format!("{name}.http"))).expect(name);
        let expected = match expected {
            "once" => OneAnswer,
            status => Status(status.parse().expect("a status")),
        };
        (name.to_owned(), request, expected)
    };
    let cases: Vec<_> = rows.map(case).collect();
    let files = std::fs::read_dir(&directory).expect("the corpus").count();
    assert_eq!(files, cases.len() + 1, "every file has a row, and every row a file");
    cases
}

/// Rows 55 to 58, 62 and 68: nothing is read in two ways, whether the guest reads bodies or not.
#[test]
fn corpus_of_raw_requests_hides_no_request() {
    for reader in ["headers", "echo"] {
        let server = Server::start(&guest(reader), &[]);
        for (name, request, expected) in corpus() {
            check(&server, &format!("{reader}, {name}"), &request, expected);
        }
        server.wait_idle();
    }
}

/// Row 58: nobody may grow a line or the trailers of a body for ever.
#[test]
fn endless_extensions_and_trailers_end_the_connection() {
    for reader in ["echo", "headers"] {
        let server = Server::start(&guest(reader), &[]);
        let extension = format!("5;{}\r\nhello\r\n0\r\n\r\n", "e".repeat(100_000));
        let trailer = format!("0\r\n{}\r\n", "x-trailer: 1\r\n".repeat(10_000));
        for (name, body) in [("extension", extension), ("trailers", trailer)] {
            let head = "POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n";
            let request = format!("{head}{body}{SMUGGLED}");
            check(&server, &format!("{reader}, {name}"), request.as_bytes(), OneAnswer);
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
