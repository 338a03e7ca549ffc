//! Requests as clients may send them: their limits from both sides, their hosts, their ids, and
//! many of them on one connection.

use crate::harness::{Answer, Connection, Server, guest};
use std::fmt::Write as _;

fn head(line: &str, fields: &str) -> String {
    format!("{line}\r\n{fields}\r\n")
}

/// The one answer to bare bytes, after which the connection is of no more interest.
#[track_caller]
fn answer_to(server: &Server, bytes: impl AsRef<[u8]>) -> Answer {
    let mut connection = Connection::open(&server.client());
    connection.send(bytes);
    connection.answer().expect("an answer")
}

/// Row 51: both sides of the limit, by default and as it is set.
#[test]
fn long_target_answers_414() {
    for (settings, limit) in [(&[][..], 8 * 1024), (&["--max-uri", "64"], 64)] {
        let server = Server::start(&guest("headers"), settings);
        let path = |length| format!("/{}", "a".repeat(length - 1));
        let text = server.client().get(&path(limit)).assert_ok().text();
        assert!(text.contains(&format!("path-with-query {}\n", path(limit))));
        server.client().get(&path(limit + 1)).assert_problem(414, "uri_too_long");
        server.client().get(&format!("/?{}", "a".repeat(limit))).assert_problem(414, "uri_too_long");
        server.log.wait_for(&["status=414", "reason=\"uri_too_long\""]);
    }
}

/// Row 51: what hyper itself does not take, no guest sees either.
#[test]
fn endless_target_is_answered_414_or_not_at_all() {
    let server = Server::start(&guest("headers"), &[]);
    for length in [65_535, 70_000, 1_000_000] {
        let request = head(&format!("GET /{} HTTP/1.1", "a".repeat(length)), "Host: a.example\r\n");
        let answer = server.client().raw(request.as_bytes());
        let status = answer.get(9..12).unwrap_or("closed");
        println!("{length} bytes: {status}");
        assert!(["414", "431", "closed"].contains(&status), "{answer}");
        assert!(!answer.contains("path-with-query"), "{answer}");
        server.client().get("/").assert_ok();
    }
}

/// Row 50: the hundredth field is the last.
#[test]
fn too_many_fields_answer_431() {
    let server = Server::start(&guest("headers"), &[]);
    let request = |count| {
        let mut fields = "Host: a.example\r\n".to_owned();
        for number in 1..count {
            write!(fields, "x-{number}: 1\r\n").expect("a string");
        }
        head("GET / HTTP/1.1", &fields)
    };
    let text = answer_to(&server, request(100)).assert_ok().text();
    assert!(text.contains("header x-99: 1"), "{text}");
    answer_to(&server, request(101)).assert_problem(431, "headers_too_large");
    // Beyond this many hyper answers in our place.
    assert_eq!(answer_to(&server, request(400)).status, 431);
}

/// Row 50: the bytes of all fields together, by default and as it is set.
#[test]
fn large_fields_answer_431() {
    for (settings, limit) in [(&[][..], 32 * 1024), (&["--max-header", "1KiB"], 1024)] {
        let server = Server::start(&guest("headers"), settings);
        // Each field counts with its name, its value and four bytes between and after them.
        let room = limit - "hosta.example".len() - "x-pad".len() - 8;
        let request =
            |length| head("GET / HTTP/1.1", &format!("Host: a.example\r\nx-pad: {}\r\n", "a".repeat(length)));
        answer_to(&server, request(room)).assert_ok();
        answer_to(&server, request(room + 1)).assert_problem(431, "headers_too_large");
        let endless = server.client().raw(request(1_000_000).as_bytes());
        assert!(endless.is_empty() || endless.starts_with("HTTP/1.1 431 "), "{endless}");
    }
}

/// Row 62: an authority, exactly one of it.
#[test]
fn missing_duplicate_or_broken_host_answers_400() {
    let server = Server::start(&guest("headers"), &[]);
    for fields in [
        "",
        "Host: a.example\r\nHost: a.example\r\n",
        "Host: a.example\r\nHost: b.example\r\n",
        "Host:\r\n",
        "Host: a b\r\n",
        "Host: a.example/path\r\n",
        "Host: user@a.example\r\n",
        "Host: a.example, b.example\r\n",
    ] {
        answer_to(&server, head("GET / HTTP/1.1", fields)).assert_problem(400, "bad_request");
    }
    for host in ["a.example", "a.example:81", "127.0.0.1", "[::1]:8080"] {
        let answer = answer_to(&server, head("GET / HTTP/1.1", &format!("Host: {host}\r\n")));
        assert!(answer.assert_ok().text().contains(&format!("authority {host}\n")), "{}", answer.text());
    }
}

#[test]
fn http_1_0_needs_no_host_and_closes() {
    let server = Server::start(&guest("headers"), &[]);
    let mut connection = Connection::open(&server.client());
    connection.send("GET /old HTTP/1.0\r\n\r\n");
    let text = connection.answer().expect("an answer").assert_ok().text();
    assert!(text.contains(&format!("authority {}\n", server.address)), "{text}");
    assert_eq!(connection.rest(), b"");
}

/// Row 68: no tunnels, and no protocol but HTTP.
#[test]
fn connect_is_refused_and_upgrades_are_ignored() {
    let server = Server::start(&guest("headers"), &[]);
    let tunnel = head("CONNECT a.example:443 HTTP/1.1", "Host: a.example:443\r\n");
    answer_to(&server, tunnel).assert_problem(501, "not_implemented");
    for upgrade in ["websocket", "h2c"] {
        let fields = format!("Host: a.example\r\nConnection: upgrade\r\nUpgrade: {upgrade}\r\n");
        let text = answer_to(&server, head("GET / HTTP/1.1", &fields)).assert_ok().text();
        assert!(!text.contains("upgrade"), "hop-by-hop: {text}");
    }
}

#[test]
fn guest_sees_the_request_without_the_connections_fields() {
    let server = Server::start(&guest("headers"), &[]);
    let fields = "Host: a.example\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\n\
                  X-Own: one\r\nX-Own: two\r\nCookie: a=b\r\n";
    let text = answer_to(&server, head("DELETE /a%20b?c=%0a HTTP/1.1", fields)).assert_ok().text();
    for line in ["method DELETE", "path-with-query /a%20b?c=%0a", "scheme http", "authority a.example"] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
    for line in ["header x-own: one", "header x-own: two", "header cookie: a=b"] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
    assert!(!text.contains("keep-alive"), "{text}");
}

#[test]
fn request_id_is_made_taken_over_or_replaced() {
    let server = Server::start(&guest("headers"), &[]);
    let ask = |method, id: Option<&str>| {
        let headers: Vec<_> = id.map(|id| ("x-request-id", id)).into_iter().collect();
        server.client().send(method, "/", &headers, None).expect("an answer")
    };
    let made = |id: &str| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let (long, longest) = ("a".repeat(65), "a".repeat(64));
    let strange = ["a b", "a;b", "\"a\"", "é", &long];
    for (given, kept) in
        [("trace-1.A_b", true), (&longest, true)].into_iter().chain(strange.map(|id| (id, false)))
    {
        let answer = ask("GET", Some(given));
        let id = answer.assert_ok().header("x-request-id");
        assert!(if kept { id == given } else { made(id) }, "{given}: {id}");
        // The guest knows it by the same name, and by no other.
        let seen: Vec<_> = answer
            .text()
            .lines()
            .filter_map(|line| line.strip_prefix("header x-request-id: ").map(str::to_owned))
            .collect();
        assert_eq!(seen, [id]);
        server.log.wait_for(&["request ", &format!("request_id={id}")]);
    }
    let (one, other) = (ask("GET", None), ask("GET", None));
    assert!(made(one.header("x-request-id")) && made(other.header("x-request-id")));
    assert_ne!(one.header("x-request-id"), other.header("x-request-id"));

    // The host's own answers have one, too.
    let answer = |id: &str| {
        answer_to(
            &server,
            head("CONNECT a.example:1 HTTP/1.1", &format!("Host: a.example:1\r\nx-request-id: {id}\r\n")),
        )
    };
    assert_eq!(answer("mine").assert_problem(501, "not_implemented").header("x-request-id"), "mine");
    assert!(made(answer("not mine").assert_problem(501, "not_implemented").header("x-request-id")));
}

#[test]
fn hundred_requests_share_a_connection() {
    let server = Server::start(&guest("counter"), &[]);
    let mut connection = Connection::open(&server.client());
    for number in 0..100 {
        connection.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
        let answer = connection.answer().unwrap_or_else(|| panic!("closed after {number}"));
        assert_eq!(answer.assert_ok().text(), "1\n");
    }
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    let server = Server::start(&guest("headers"), &[]);
    let requests: String =
        (0..20).map(|number| format!("GET /{number} HTTP/1.1\r\nHost: a.example\r\n\r\n")).collect();
    let mut connection = Connection::open(&server.client());
    connection.send(requests);
    for number in 0..20 {
        let text = connection.answer().expect("an answer").assert_ok().text();
        assert!(text.contains(&format!("path-with-query /{number}\n")), "{text}");
    }
}
