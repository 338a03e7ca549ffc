//! What becomes of a guest's answer, and what its client is told when there is none.

use crate::harness::{Connection, Server, guest};

const GET: &str = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";

/// Every way to fail that has a reason of its own.
#[test]
fn each_failure_of_a_guest_has_its_own_answer() {
    let cases: [(&str, &str, &[&str], u16, &str); 13] = [
        ("trap", "/", &[], 500, "guest_trap"),
        ("recursion", "/", &[], 500, "guest_trap"),
        ("exit", "/", &[], 500, "guest_exit"),
        ("memory-hog", "/", &["--memory", "16MiB"], 500, "memory_limit"),
        ("alloc", "/?mib=64", &["--memory", "16MiB"], 500, "memory_limit"),
        ("no-response", "/", &[], 500, "guest_no_response"),
        ("no-response", "/?forget", &[], 500, "guest_no_response"),
        ("error-response", "/", &[], 500, "guest_error"),
        ("status", "/?code=103", &[], 500, "guest_bad_response"),
        ("spin", "/", &["--timeout", "300ms"], 504, "guest_timeout"),
        ("sleep", "/", &["--timeout", "300ms"], 504, "guest_timeout"),
        ("spin", "/", &["--cpu-time", "200ms"], 504, "cpu_limit"),
        ("spin", "/", &["--fuel", "1000000"], 504, "fuel_exhausted"),
    ];
    for (name, path, settings, status, reason) in cases {
        let server = Server::start(&guest(name), settings);
        for _ in 0..2 {
            let answer = server.client().get(path);
            println!("{name}{path} {settings:?}: {} {reason} after {:?}", answer.status, answer.took);
            answer.assert_problem(status, reason);
        }
        server.wait_idle();
        server.log.wait_for(&[" request ", &format!("status={status}"), &format!("reason=\"{reason}\"")]);
    }
}

/// Row 65: it can no longer answer, so it is answered for at once, though it runs on.
#[test]
fn guest_that_dropped_its_way_to_answer_is_answered_for() {
    let server = Server::start(&guest("drop-outparam"), &["--timeout", "2s"]);
    let answer = server.client().get("/");
    println!("{} after {:?}", answer.status, answer.took);
    answer.assert_problem(500, "guest_no_response");
    server.wait_idle();
}

#[test]
fn guests_own_words_do_not_reach_the_client() {
    for name in ["error-response", "trap", "exit"] {
        let server = Server::start(&guest(name), &[]);
        let answer = server.client().raw(GET.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n").as_bytes());
        for word in ["not for the client", "unreachable", "wasm trap", "backtrace", "behaviours"] {
            assert!(!answer.contains(word), "{name}: {answer}");
        }
    }
}

#[test]
fn memory_holds_both_sides_of_its_limit() {
    let server = Server::start(&guest("alloc"), &["--memory", "16MiB"]);
    assert_eq!(server.client().get("/?mib=8").assert_ok().text(), "ok 8\n");
    server.client().get("/?mib=16").assert_problem(500, "memory_limit");
    assert_eq!(server.client().get("/?mib=8").assert_ok().text(), "ok 8\n");
}

#[test]
fn fuel_and_cpu_time_that_suffice_change_nothing() {
    let server = Server::start(&guest("hello"), &["--fuel", "10000000", "--cpu-time", "5s"]);
    server.client().get("/").assert_ok();
    let server = Server::start(&guest("burn"), &["--cpu-time", "1s"]);
    server.client().get("/?ms=50").assert_ok();
    server.client().get("/?ms=60000").assert_problem(504, "cpu_limit");
}

/// Row 31: a static of a guest is as good as new for every request.
#[test]
fn counter_in_a_guest_answers_one_every_time() {
    let server = Server::start(&guest("counter"), &[]);
    for _ in 0..50 {
        assert_eq!(server.client().get("/").assert_ok().text(), "1\n");
    }
}

#[test]
fn statuses_pass_and_those_without_a_body_have_none() {
    let server = Server::start(&guest("status"), &[]);
    let mut connection = Connection::open(&server.client());
    for code in [200, 201, 299, 301, 400, 404, 418, 429, 500, 503, 599] {
        connection.send(format!("GET /?code={code} HTTP/1.1\r\nHost: a.example\r\n\r\n"));
        let answer = connection.answer().expect("an answer");
        assert_eq!((answer.status, answer.text()), (code, format!("status {code}\n")));
    }
    for code in [204, 304] {
        connection.send(format!("GET /?code={code} HTTP/1.1\r\nHost: a.example\r\n\r\n"));
        assert_eq!(connection.bodiless_answer().expect("an answer").status, code);
        server.log.wait_for(&[&format!("status={code}"), "reason=\"ok\""]);
    }
    // Had one of them had a body, this would be read in its middle.
    connection.send(GET);
    assert_eq!(connection.answer().expect("an answer").assert_ok().text(), "status 200\n");
    for code in ["99", "1000", "65536"] {
        let answer = server.client().get(&format!("/?code={code}"));
        assert!(answer.assert_ok().text().starts_with("refused "), "{}", answer.text());
    }
}

#[test]
fn head_has_the_fields_of_get_and_no_body() {
    for name in ["hello", "echo", "trailers"] {
        // So few that every machine has the memory for them, and nothing to warn of.
        let server = Server::start(&guest(name), &["--instances", "4"]);
        let mut connection = Connection::open(&server.client());
        for _ in 0..3 {
            connection.send("HEAD /x HTTP/1.1\r\nHost: a.example\r\n\r\n");
            let head = connection.bodiless_answer().expect("an answer");
            assert_eq!(head.status, 200, "{name}");
            if name == "hello" {
                assert_eq!(head.header("content-length"), "14");
            }
        }
        connection.send(GET);
        connection.answer().expect("an answer").assert_ok();
        drop(connection);
        server.wait_idle();
        server.log.wait_for(&["method=HEAD", "reason=\"ok\""]);
        assert_eq!(server.log.lines_with("WARN").len(), 0, "{name}: {:?}", server.log.lines_with("WARN"));
    }
}

/// Row 59: no byte of what was refused is on the wire.
#[test]
fn line_breaks_in_fields_are_refused() {
    let server = Server::start(&guest("crlf"), &[]);
    let answer = server.client().raw(GET.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n").as_bytes());
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    println!("{} attempts", body.matches("refused ").count());
    assert_eq!(body.matches("refused ").count(), 33, "{body}");
    assert!(!body.contains("accepted"), "{body}");
    let names: Vec<_> = head.lines().skip(1).filter_map(|line| line.split(':').next()).collect();
    assert!(
        names.iter().all(|name| ["x-request-id", "transfer-encoding", "connection", "date"].contains(name)),
        "{head}"
    );
    assert_eq!(answer.matches("HTTP/1.1 200 OK\r\n").count(), 1, "{answer}");
}

/// Row 60: the connection is the host's.
#[test]
fn fields_of_the_connection_are_refused() {
    let server = Server::start(&guest("forbidden"), &[]);
    let mut connection = Connection::open(&server.client());
    connection.send(GET);
    let answer = connection.answer().expect("an answer");
    let text = answer.assert_ok().text();
    let connections_own = [
        "connection",
        "keep-alive",
        "transfer-encoding",
        "upgrade",
        "host",
        "proxy-connection",
        "proxy-authenticate",
        "proxy-authorization",
        "http2-settings",
    ];
    for name in connections_own {
        for place in ["response", "request"] {
            let refusal = format!("{place} {name} refused ");
            assert!(text.lines().any(|line| line.starts_with(&refusal)), "{refusal}: {text}");
        }
    }
    for name in connections_own.iter().filter(|name| **name != "transfer-encoding") {
        assert!(!answer.headers.contains_key(*name), "{answer:?}");
    }
    // And it goes on.
    connection.send(GET);
    connection.answer().expect("an answer").assert_ok();
}

/// Row 63: what is shorter than declared is seen to be, and what is longer does not spill over.
#[test]
fn body_of_another_length_than_declared_cuts_the_connection() {
    for (name, declared) in [("content-length-short", 100), ("content-length-long", 10)] {
        let server = Server::start(&guest(name), &[]);
        let mut connection = Connection::open(&server.client());
        connection.send(GET);
        let answer = connection.answer();
        connection.send(GET);
        let rest = connection.rest();
        println!("{name}: {:?}, then {} bytes", answer.as_ref().map(|answer| answer.body.len()), rest.len());
        if let Some(answer) = answer {
            assert_eq!(answer.header("content-length"), declared.to_string());
            assert!(answer.body.len() <= 10, "{answer:?}");
            assert!(answer.body.len() == declared || answer.broken, "{answer:?}");
        }
        assert_eq!(rest, b"", "{name}");
        server.log.wait_for(&[" request ", "reason=\"body_mismatch\""]);
        server.wait_idle();
        assert_eq!(server.log.lines_with("reason=\"ok\"").len(), 0);
    }
}

/// What a client of HTTP/1.1 sees of a guest that is stopped in the middle of its answer.
#[test]
fn answer_cut_at_the_deadline_is_not_passed_off_as_whole() {
    for name in ["wedge", "wedge-sleep"] {
        let server = Server::start(&guest(name), &["--timeout", "400ms"]);
        let answer = server.client().get("/");
        assert_eq!(
            (answer.status, answer.text().as_str(), answer.broken),
            (200, "partial\n", true),
            "{name}"
        );
        server.log.wait_for(&["status=200", "reason=\"guest_timeout\""]);
        server.wait_idle();
    }
}
