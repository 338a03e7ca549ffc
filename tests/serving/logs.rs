//! What the log says of a request: one line with what it was and what it cost, and a guest's own
//! words as data, however they try to be more.

use crate::harness::{Connection, Log, Server, guest};
use serde_json::Value;

const JSON: [&str; 2] = ["--log-format", "json"];

/// A request's line in the JSON log.
#[track_caller]
fn access_line(log: &Log, id: &str) -> Value {
    let line = log.wait_for(&["\"message\":\"request\"", &format!("\"request_id\":\"{id}\"")]);
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// Stops the host, so that the log is whole, and returns every line of it.
#[track_caller]
fn all_lines(server: Server) -> Vec<String> {
    let log = server.log.clone();
    server.stop();
    log.lines_with("")
}

#[track_caller]
fn get_as(server: &Server, id: &str, path: &str) {
    server.client().send("GET", path, &[("x-request-id", id)], None).expect("an answer");
}

#[test]
fn json_line_of_a_request_has_every_figure() {
    let server = Server::start(&guest("burn"), &JSON);
    get_as(&server, "good", "/some/path?ms=30&token=secret");
    let line = access_line(&server.log, "good");
    println!("{line}");
    let expected =
        [("method", "GET"), ("path", "/some/path"), ("handler", "burn"), ("reason", "ok"), ("level", "INFO")];
    for (key, value) in expected {
        assert_eq!(line[key], value, "{key}");
    }
    assert_eq!(line["status"], 200);
    let (wall, cpu) = (line["wall_ms"].as_f64(), line["cpu_ms"].as_f64());
    assert!(wall.is_some_and(|ms| (30.0..30_000.0).contains(&ms)), "{wall:?}");
    assert!(cpu.is_some_and(|ms| (1.0..30_000.0).contains(&ms)), "{cpu:?}");
    assert!(line["memory_peak_bytes"].as_u64().is_some_and(|bytes| bytes >= 64 * 1024), "{line}");
    assert!(line["timestamp"].as_str().is_some_and(|time| time.ends_with('Z')), "{line}");
    assert!(!all_lines(server).iter().any(|line| line.contains("secret")), "a query is not logged");
}

#[test]
fn human_line_of_a_request_has_every_figure() {
    let server = Server::start(&guest("hello"), &[]);
    get_as(&server, "good", "/some/path?token=secret");
    let line = server.log.wait_for(&["request_id=good"]);
    println!("{line}");
    let expected = [
        "INFO",
        " request ",
        "method=GET",
        "path=\"/some/path\" ",
        "handler=\"hello\"",
        "status=200",
        "reason=\"ok\"",
        "wall_ms=",
        "cpu_ms=",
        "memory_peak_bytes=",
    ];
    for field in expected {
        assert!(line.contains(field), "{field}: {line}");
    }
    assert!(!line.contains("secret"), "{line}");
}

#[test]
fn every_request_has_exactly_one_line() {
    let server = Server::start(&guest("status"), &[&JSON[..], &["--max-uri", "64"]].concat());
    let paths = ["/", "/?code=204", "/?code=500", "/?code=103", &"/a".repeat(40), "/health", "/ready"];
    for (number, path) in paths.iter().enumerate() {
        get_as(&server, &format!("id-{number}"), path);
    }
    let expected = [
        ("id-0", 200, "ok"),
        ("id-1", 204, "ok"),
        ("id-2", 500, "ok"),
        ("id-3", 500, "guest_bad_response"),
        ("id-4", 414, "uri_too_long"),
    ];
    for (id, status, reason) in expected {
        let line = access_line(&server.log, id);
        assert_eq!(
            (line["status"].as_u64(), line["reason"].as_str()),
            (Some(status), Some(reason)),
            "{line}"
        );
        assert_eq!(line["level"], if reason == "ok" { "INFO" } else { "WARN" });
    }
    // Probes are not worth a line.
    let lines = all_lines(server);
    assert_eq!(lines.iter().filter(|line| line.contains("\"message\":\"request\"")).count(), expected.len());
}

#[test]
fn trace_of_a_request_is_in_its_line() {
    let server = Server::start(&guest("hello"), &JSON);
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let parent = format!("00-{trace}-00f067aa0ba902b7-01");
    for (id, value, expected) in
        [("traced", parent.as_str(), Some(trace)), ("untraced", "00-nonsense-01", None)]
    {
        let headers = [("x-request-id", id), ("traceparent", value)];
        server.client().send("GET", "/", &headers, None).expect("an answer").assert_ok();
        assert_eq!(access_line(&server.log, id).get("trace_id").and_then(Value::as_str), expected);
    }
}

/// A path is a client's text: cut, and escaped.
#[test]
fn hostile_path_is_one_bounded_line() {
    let server = Server::start(&guest("hello"), &JSON);
    let mut connection = Connection::open(&server.client());
    let long = "a".repeat(5000);
    for (id, path) in [("long", format!("/{long}")), ("quote", "/\"}{\"level\":\"ERROR\"".to_owned())] {
        connection.send(format!("GET {path} HTTP/1.1\r\nHost: a.example\r\nx-request-id: {id}\r\n\r\n"));
        if connection.answer().is_some_and(|answer| answer.status == 200) {
            let logged = access_line(&server.log, id)["path"].as_str().map(str::to_owned);
            assert_eq!(logged.as_deref(), path.get(..path.len().min(1024)));
        } else {
            connection = Connection::open(&server.client());
        }
    }
}

/// Row 81: both streams share the bound, and the line that says so is the last.
#[test]
fn output_is_cut_at_its_bound() {
    for (settings, bound) in [(&["--max-log", "1KiB"][..], 1024), (&[], 64 * 1024), (&["--max-log", "0"], 0)]
    {
        let server = Server::start(&guest("print"), settings);
        let answer = server.client().get("/?bytes=1000000");
        assert_eq!(answer.assert_ok().text(), "printed 1000000\n");
        server.wait_idle();
        let lines: Vec<_> = all_lines(server).into_iter().filter(|line| line.contains(" guest ")).collect();
        let marks = lines.iter().filter(|line| line.contains("output cut: more than")).count();
        println!("{bound} bytes: {} lines", lines.len());
        assert_eq!(marks, 1);
        // Lines of 63 bytes, each of which counts as up to 128 more.
        let least = bound / (63 + 128);
        assert!((least..=bound / 63 + 2).contains(&lines.len()), "{}", lines.len());
        assert!(lines.last().is_some_and(|line| line.contains("output cut")), "{:?}", lines.last());
    }
}

#[test]
fn output_below_its_bound_is_whole() {
    let server = Server::start(&guest("print"), &[]);
    server.client().get("/?bytes=6400").assert_ok();
    server.wait_idle();
    let lines = all_lines(server);
    for stream in ["stdout", "stderr"] {
        let count = lines.iter().filter(|line| line.contains(&format!("stream=\"{stream}\""))).count();
        assert_eq!(count, 100, "{stream}");
    }
    assert!(!lines.iter().any(|line| line.contains("output cut")));
}

/// What the guest prints to each of its streams, line by line; the last but one is a forged event.
const EVIL: [&str; 8] = [
    "escape \u{1b}[31mred\u{1b}[0m \u{1b}[2J\u{1b}]0;title\u{7} end",
    "return visible\rhidden!",
    "nul before\0after",
    "invalid \u{fffd}\u{fffd}\u{fffd}( utf-8",
    "c1 \u{9b}31m direction \u{202e} override separator \u{2028} end",
    "quote \"}",
    "{\"level\":\"error\",\"message\":\"forged event\"}",
    "last line without its end",
];

/// Stops a host whose guest printed all of it; nothing in the log is more than text.
#[track_caller]
fn evil_log(format: &str) -> Vec<String> {
    let server = Server::start(&guest("print-evil"), &["--log-format", format]);
    server.client().get("/").assert_ok();
    server.wait_idle();
    let lines = all_lines(server);
    for line in &lines {
        assert!(!line.chars().any(|c| c.is_control() || "\u{202e}\u{2028}".contains(c)), "{line:?}");
    }
    lines
}

/// Row 82: one event for each line of the guest's, with the line as its data.
#[test]
fn evil_output_is_escaped_for_people() {
    let lines = evil_log("human");
    for stream in ["stdout", "stderr"] {
        let start = format!("stream=\"{stream}\" line=");
        let shown: Vec<_> = lines.iter().filter_map(|line| Some(line.split_once(&start)?.1)).collect();
        println!("{shown:#?}");
        assert_eq!(shown, EVIL.map(|text| format!("{text:?}")), "{stream}");
    }
}

/// Row 82: and for programs, who get back what the guest wrote.
#[test]
fn evil_output_is_escaped_for_programs() {
    let lines = evil_log("json");
    let events: Vec<Value> = lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    for stream in ["stdout", "stderr"] {
        let shown: Vec<_> = events.iter().filter(|event| event["stream"] == stream).collect();
        assert!(shown.iter().all(|event| event["message"] == "guest" && event["level"] == "INFO"));
        assert_eq!(shown.iter().map(|event| &event["line"]).collect::<Vec<_>>(), EVIL, "{stream}");
    }
}
