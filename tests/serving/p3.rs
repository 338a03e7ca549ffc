//! Guests of WASI 0.3 beside those of 0.2: that each kind answers, and that a host is as sure of them.

use crate::harness::{Connection, H2, Server, component, guest, run};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

const CHUNKED: &str = "POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n";

/// Bytes of every value, in no order that a mistake in framing would keep.
fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index.wrapping_mul(2_654_435_761) >> 11) as u8).collect()
}

/// A server that answers every request in the same way, on a connection of its own.
fn upstream(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    // Ends with the test's process: nothing else waits for it.
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut head = [0; 4096];
            let read = stream.read(&mut head).unwrap_or(0);
            let line = String::from_utf8_lossy(&head[..read]).lines().next().unwrap_or_default().to_owned();
            let _ = stream.write_all(answer.replace("LINE", &line).as_bytes());
            kept.push(stream);
        }
    });
    address
}

const OK: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 14\r\n\r\nGET / HTTP/1.1";
const SILENCE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhe";

#[test]
fn hello_answers_over_both_versions_of_http() {
    let server = Server::start(&guest("hello3"), &[]);
    for path in ["/", "/world?q=1"] {
        let answer = server.client().get(path);
        assert_eq!(answer.assert_ok().text(), format!("Hello from {path}\n"));
        assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
        let mut h2 = H2::open(&server.client());
        assert_eq!(h2.get(path).assert_ok().text(), format!("Hello from {path}\n"));
    }
    server.wait_idle();
    server.stop();
}

#[test]
fn handlers_of_both_versions_answer_the_same() {
    for (old, new, path) in [
        ("hello", "hello3", "/a?b=c"),
        ("sleep", "sleep3", "/?ms=20"),
        ("sse", "sse3", "/?n=3&ms=20"),
        ("trailers", "trailers3", "/"),
    ] {
        let answer = |name| {
            let server = Server::start(&guest(name), &[]);
            let answer = server.client().get(path);
            let told = (answer.assert_ok().text(), answer.header("content-type").to_owned());
            server.wait_idle();
            told
        };
        assert_eq!(answer(old), answer(new), "{old} and {new}");
    }
}

#[test]
fn request_has_its_scheme_authority_and_path_whatever_it_came_by() {
    let server = Server::start(&guest("headers3"), &[]);
    let answer = server.client().send("PATCH", "/a%20b?c=d", &[("x-a", "1")], Some(b"x")).expect("an answer");
    let text = answer.assert_ok().text();
    let address = server.address.to_string();
    for line in [
        "method Method::Patch",
        "scheme Some(Scheme::Http)",
        &format!("authority Some(\"{address}\")"),
        "path Some(\"/a%20b?c=d\")",
        "x-a: 1",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let mut h2 = H2::open(&server.client());
    let text = h2.get("/two").assert_ok().text();
    assert!(text.contains(&format!("authority Some(\"{address}\")")), "{text}");
    // HTTP/1.0 may leave the authority out: then it is the address that was reached.
    let raw = server.client().raw(b"GET / HTTP/1.0\r\n\r\n");
    assert!(raw.contains(&format!("authority Some(\"{address}\")")) && raw.contains("scheme Some"), "{raw}");
}

#[test]
fn mebibyte_is_echoed_byte_for_byte_whether_written_or_passed_on() {
    let server = Server::start(&guest("echo3"), &[]);
    let body = bytes(1 << 20);
    for path in ["/", "/?pass"] {
        let answer = server.client().post(path, &body);
        assert!(answer.assert_ok().body == body, "{path}: not what was sent");
        let mut h2 = H2::open(&server.client());
        assert!(h2.post(path, &body).assert_ok().body == body, "{path}: not what was sent");
        server.wait_idle();
    }
}

/// The response has begun before the request has ended.
#[test]
fn bodies_stream_both_ways_at_once() {
    let server = Server::start(&guest("echo3"), &[]);
    for path in ["/", "/?pass"] {
        let mut connection = Connection::open(&server.client());
        connection.send(format!("{}\r\n", CHUNKED.replace("POST /", &format!("POST {path}"))));
        assert_eq!(connection.head_of_answer().expect("a head").status, 200);
        for piece in [&b"one"[..], b"two", b"three"] {
            connection.send_chunk(piece);
            assert_eq!(connection.chunk().expect("an echo"), piece);
        }
        connection.send("0\r\n\r\n");
        assert_eq!(connection.chunk().expect("an end"), b"", "{path}");
        server.wait_idle();
    }
}

#[test]
fn trailers_pass_in_both_directions() {
    let server = Server::start(&guest("echo3"), &[]);
    for path in ["/", "/?pass"] {
        let mut connection = Connection::open(&server.client());
        let head = CHUNKED.replace("POST /", &format!("POST {path}"));
        connection.send(format!(
            "{head}TE: trailers\r\nTrailer: x-checksum\r\n\r\n5\r\nhello\r\n0\r\nx-checksum: 7\r\n\r\n"
        ));
        assert_eq!(connection.answer().expect("an answer").assert_ok().text(), "hello");
        let told = connection.trailers.get("x-checksum").map(|value| value.as_bytes());
        assert_eq!(told, Some(&b"7"[..]), "{path}");
    }
    let server = Server::start(&guest("trailers3"), &[]);
    for (te, expected) in [("TE: trailers\r\n", Some(&b"721"[..])), ("", None)] {
        let mut connection = Connection::open(&server.client());
        connection.send(format!("GET / HTTP/1.1\r\nHost: a.example\r\n{te}\r\n"));
        assert_eq!(connection.answer().expect("an answer").assert_ok().text(), "checked\n");
        assert_eq!(connection.trailers.get("x-checksum").map(|value| value.as_bytes()), expected, "{te}");
    }
    let mut h2 = H2::open(&server.client());
    let sent = h2.start(h2.request("GET", "/"), true);
    let trailers = h2.wait(async move {
        let mut body = sent.answer.await.expect("a head").into_body();
        while let Some(data) = body.data().await {
            let length = data.expect("data").len();
            body.flow_control().release_capacity(length).expect("an open stream");
        }
        body.trailers().await.expect("an end").expect("trailers")
    });
    assert_eq!(trailers.get("x-checksum").map(|value| value.as_bytes()), Some(&b"721"[..]));
}

#[test]
fn tasks_of_a_guest_run_beside_each_other() {
    let server = Server::start(&guest("concurrent3"), &[]);
    let answer = server.client().get("/?n=20&ms=300");
    assert_eq!(answer.assert_ok().text(), "woke 20\n");
    assert!(answer.took < Duration::from_secs(3), "one after the other: {:?}", answer.took);
}

#[test]
fn runaways_end_at_their_deadline_and_by_their_cpu_time() {
    for (name, path) in [("spin3", "/"), ("sleep3", "/"), ("sleep3", "/?forever")] {
        let server = Server::start(&guest(name), &["--timeout", "700ms"]);
        server.client().get(path).assert_problem(504, "guest_timeout");
        server.wait_idle();
    }
    let server = Server::start(&guest("spin3"), &["--cpu-time", "100ms"]);
    server.client().get("/").assert_problem(504, "cpu_limit");
    let server = Server::start(&guest("spin3"), &["--fuel", "1000000"]);
    server.client().get("/").assert_problem(504, "fuel_exhausted");
    server.wait_idle();
}

#[test]
fn trap_is_told_by_when_it_comes() {
    let server = Server::start(&guest("trap3"), &[]);
    server.client().get("/").assert_problem(500, "guest_trap");
    let answer = server.client().send("GET", "/?at=body", &[], None);
    assert!(!answer.is_ok_and(|answer| answer.status == 200 && !answer.broken), "passed off as whole");
    server.log.wait_for(&["reason=\"guest_trap\"", "path=\"/\""]);
    // What was finished stands, whatever comes after it.
    for _ in 0..20 {
        assert_eq!(server.client().get("/?at=end").assert_ok().text(), "done\n");
    }
    server.wait_idle();
}

#[test]
fn body_that_the_guest_did_not_finish_is_cut() {
    for (name, path, reason) in [
        ("leak3", "/", "body_unfinished"),
        ("error3", "/?at=body", "body_unfinished"),
        ("content-length3", "/", "body_mismatch"),
    ] {
        let server = Server::start(&guest(name), &["--timeout", "20s"]);
        let began = Instant::now();
        // What is cut at once may take its head along.
        let whole = server.client().send("GET", path, &[], None).is_ok_and(|answer| !answer.broken);
        assert!(!whole && began.elapsed() < Duration::from_secs(15), "{name}: {:?}", began.elapsed());
        server.log.wait_for(&["status=200", &format!("reason=\"{reason}\"")]);
        let mut h2 = H2::open(&server.client());
        let sent = h2.start(h2.request("GET", path), true);
        assert!(!h2.answer(sent).is_ok_and(|answer| !answer.broken), "{name}");
        server.wait_idle();
    }
    let server = Server::start(&guest("content-length3"), &[]);
    // A head that is cut at once may be gone, too; what comes is not more than declared.
    let answer = server.client().send("GET", "/?declared=10&written=100", &[], None);
    assert!(answer.as_ref().map_or(0, |answer| answer.body.len()) <= 10, "{answer:?}");
    server.log.wait_for(&["status=200", "reason=\"body_mismatch\""]);
    assert_eq!(server.client().get("/?declared=10&written=10").assert_ok().body.len(), 10);
}

#[test]
fn body_is_cut_at_the_deadline_and_by_a_kill() {
    let server = Server::start(&guest("sse3"), &["--timeout", "700ms"]);
    let answer = server.client().get("/?n=0&ms=50");
    assert!(answer.broken && !answer.body.is_empty(), "{answer:?}");
    server.log.wait_for(&["status=200", "reason=\"guest_timeout\""]);
    let server = Server::start(&guest("sse3"), &["--admin", "127.0.0.1:0"]);
    let mut connection = Connection::open(&server.client());
    connection.send("GET /?n=0&ms=50 HTTP/1.1\r\nHost: a.example\r\n\r\n");
    assert_eq!(connection.head_of_answer().expect("a head").status, 200);
    connection.chunk().expect("an event");
    let admin = server.admin();
    let job = admin.get("/admin/jobs").json()["jobs"][0]["id"].as_u64().expect("a job");
    assert_eq!(
        admin.send("DELETE", &format!("/admin/jobs/{job}"), &[], None).expect("an answer").status,
        204
    );
    while connection.chunk().is_ok_and(|chunk| {
        assert!(!chunk.is_empty(), "passed off as whole");
        true
    }) {}
    server.log.wait_for(&["reason=\"killed\""]);
    server.wait_idle();
}

#[test]
fn client_that_goes_ends_its_guest() {
    let server = Server::start(&guest("endless3"), &[]);
    let mut connection = Connection::open(&server.client());
    connection.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
    assert_eq!(connection.head_of_answer().expect("a head").status, 200);
    drop(connection);
    server.log.wait_for(&["reason=\"client_gone\""]);
    server.wait_idle();
}

/// A guest that streams waits for its client, with a few chunks between them.
#[test]
fn endless_body_waits_for_its_client() {
    let server = Server::start(&guest("endless3"), &["--admin", "127.0.0.1:0"]);
    let mut connection = Connection::open(&server.client());
    connection.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
    assert_eq!(connection.head_of_answer().expect("a head").status, 200);
    let job = || server.admin().get("/admin/jobs").json()["jobs"][0].clone();
    crate::harness::eventually("the guest to wait", || job()["state"] == "waiting");
    let before = server.holdings().resident_kib;
    let cpu = job()["cpu_ms"].as_f64().expect("a number");
    crate::harness::pause(Duration::from_millis(500));
    let grown = server.holdings().resident_kib.saturating_sub(before);
    assert!(grown < 4096, "{grown} KiB more");
    let used = job()["cpu_ms"].as_f64().expect("a number") - cpu;
    assert!(used < 100.0, "it goes on: {used} ms");
}

#[test]
fn error_code_is_the_guests_error_and_its_text_stays_here() {
    let server = Server::start(&guest("error3"), &[]);
    let answer = server.client().get("/");
    answer.assert_problem(500, "guest_error");
    assert!(!answer.text().contains("secret"), "{}", answer.text());
    server.log.wait_for(&["guest answered with an error", "a secret of the guest"]);
    server.client().get("/?status=101").assert_problem(500, "guest_bad_response");
    assert_eq!(server.client().get("/?status=99").assert_ok().text(), "no such status\n");
    for status in [204, 304, 418, 599] {
        let mut connection = Connection::open(&server.client());
        connection.send(format!("GET /?status={status} HTTP/1.1\r\nHost: a.example\r\n\r\n"));
        let bodiless = matches!(status, 204 | 304);
        let answer = if bodiless { connection.bodiless_answer() } else { connection.answer() };
        assert_eq!(answer.expect("an answer").status, status);
    }
    server.wait_idle();
}

#[test]
fn head_is_answered_without_a_body() {
    let server = Server::start(&guest("hello3"), &[]);
    let mut connection = Connection::open(&server.client());
    for _ in 0..3 {
        connection.send("HEAD / HTTP/1.1\r\nHost: a.example\r\n\r\n");
        let answer = connection.bodiless_answer().expect("an answer");
        assert_eq!((answer.status, answer.header("content-length")), (200, "13"));
    }
    server.wait_idle();
}

#[test]
fn work_after_the_answer_is_bounded_and_hears_of_it() {
    let server = Server::start(&guest("post-return3"), &["--timeout", "1s"]);
    assert_eq!(server.client().get("/?print").assert_ok().text(), "done\n");
    server.log.wait_for(&["transmission: Ok(())"]);
    for path in ["/?sleep", "/"] {
        let answer = server.client().get(path);
        assert_eq!(answer.assert_ok().text(), "done\n");
        println!("{path}: answered after {:?}", answer.took);
        assert!(answer.took < Duration::from_secs(1), "{path}: {:?}", answer.took);
        server.wait_idle();
    }
    server.log.wait_for(&["guest ended after its answer", "reason=\"post_return_timeout\""]);
}

#[test]
fn handles_and_streams_are_bounded() {
    let server = Server::start(&guest("handles3"), &["--max-handles", "256"]);
    for kind in ["fields", "futures", "streams"] {
        let few = server.client().get(&format!("/?kind={kind}&count=100"));
        assert_eq!(few.assert_ok().text(), "made 100\n", "{kind}");
        server.client().get(&format!("/?kind={kind}")).assert_problem(500, "handle_limit");
    }
    server.wait_idle();
}

#[test]
fn nothing_is_there_that_was_not_granted() {
    let server = Server::start(&guest("ungranted3"), &[]);
    let text = server.client().get(&format!("/?port={}", server.address.port())).assert_ok().text();
    for line in ["environment 0", "arguments 0", "preopens 0", "stdin 0", "tcp Err(", "udp Err(", "name Err("]
    {
        assert!(text.contains(line), "{line}: {text}");
    }
    server.log.wait_for(&["to the log, out", "stdout"]);
    server.log.wait_for(&["to the log, err", "stderr"]);
}

#[test]
fn outbound_requests_go_where_they_may_and_as_specified() {
    let (granted, other) = (upstream(OK), upstream(OK));
    let server = Server::start(&guest("outbound3"), &["--allow-outbound", &granted.to_string()]);
    let fetch = |url: &str| server.client().get(url).assert_ok().text();
    assert_eq!(fetch(&format!("/?url=http://{granted}/")), "status 200\nGET / HTTP/1.1");
    // No path is the path `/`.
    assert_eq!(fetch(&format!("/?url=http://{granted}/x&path=none")), "status 200\nGET / HTTP/1.1");
    assert_eq!(fetch(&format!("/?url=http://{granted}/&pass")), "GET / HTTP/1.1");
    for url in [format!("http://{other}/"), "https://example.com/".to_owned()] {
        let text = fetch(&format!("/?url={url}"));
        assert!(text.contains("HttpRequestDenied") && text.contains("not sent"), "{url}: {text}");
    }
    for (part, url) in [
        ("path", format!("http://{granted}/{}", "a".repeat(7 * 1024))),
        ("authority", format!("http://{}/", "a".repeat(1100))),
        ("scheme", format!("{}://a/", "s".repeat(65))),
    ] {
        let text = fetch(&format!("/?url={url}"));
        let refused = text == format!("error url: the host refuses its {part}\n");
        assert_eq!(refused, part != "path", "{part}: {text}");
    }
    server.wait_idle();
}

#[test]
fn outbound_timeouts_are_honoured() {
    let silent = upstream(SILENCE);
    let mute = upstream("");
    let server = Server::start(&guest("outbound3"), &["--allow-outbound", "127.0.0.1:*"]);
    let text = server.client().get(&format!("/?url=http://{mute}/&first_byte_ms=100")).assert_ok().text();
    assert!(text.starts_with("error ErrorCode::Connection"), "{text}");
    let text = server.client().get(&format!("/?url=http://{silent}/&between_ms=100")).assert_ok().text();
    assert!(text.starts_with("status 200\nhe\nerror"), "{text}");
    server.wait_idle();
}

#[test]
fn component_that_is_no_handler_is_told_what_is_looked_for() {
    let output = run(&["serve", &component("command"), "--listen", "127.0.0.1:0"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(78), "{text}");
    for name in ["wasi:http/incoming-handler@0.2", "wasi:http/handler@0.3", "wasi:cli/run"] {
        assert!(text.contains(name), "{name}: {text}");
    }
}
