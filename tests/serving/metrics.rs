//! What `/admin/metrics` counts, as a scraper reads it.

use crate::harness::{Client, Server, eventually, guest};
use std::collections::BTreeMap;
use std::time::Duration;

/// Samples by their name with labels.
type Samples = BTreeMap<String, f64>;

/// Reads OpenMetrics text as strictly as these tests need: every line is a comment or a sample, every
/// sample belongs to the family declared last, and the end is marked.
#[track_caller]
fn scrape(admin: &Client) -> Samples {
    let answer = admin.get("/admin/metrics");
    answer.assert_ok();
    assert!(answer.header("content-type").starts_with("application/openmetrics-text; version=1.0.0"));
    let text = answer.text();
    let text = text.strip_suffix("# EOF\n").expect("the end is marked");
    let (mut samples, mut family) = (Samples::new(), String::new());
    for line in text.lines() {
        if let Some(declared) = line.strip_prefix("# TYPE ") {
            family = declared.split(' ').next().expect("a name").to_owned();
        } else if !line.starts_with("# ") {
            let (name, value) = line.rsplit_once(' ').expect("a name and a value");
            assert!(name.starts_with(&family), "{line} is not of {family}");
            let value = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
            assert!(samples.insert(name.to_owned(), value).is_none(), "twice: {line}");
        }
    }
    samples
}

#[track_caller]
fn start(name: &str, more: &[&str]) -> (Server, Client) {
    let server = Server::start(&guest(name), &[&["--admin", "127.0.0.1:0"], more].concat());
    let admin = server.admin();
    (server, admin)
}

fn requests(reason: &str) -> String {
    format!("wasm_host_requests_total{{handler=\"mixed\",reason=\"{reason}\"}}")
}

#[test]
fn requests_are_counted_by_handler_and_reason() {
    let (server, admin) = start("mixed", &["--timeout", "300ms", "--instances", "7"]);
    assert_eq!(scrape(&admin)[&requests("ok")], 0.0);
    for (path, status, count) in
        [("/hello", 200, 3), ("/trap", 500, 2), ("/sleep", 504, 1), ("/spin", 504, 1)]
    {
        for _ in 0..count {
            assert_eq!(server.client().get(path).status, status);
        }
    }
    server.wait_idle();
    // A request is counted with its log line, once nobody holds it any more.
    eventually("seven requests", || scrape(&admin).get(&requests("guest_timeout")) == Some(&2.0));
    let samples = scrape(&admin);
    assert_eq!(samples[&requests("ok")], 3.0, "{samples:?}");
    assert_eq!(samples[&requests("guest_trap")], 2.0, "{samples:?}");
    assert_eq!(samples["wasm_host_instances"], 0.0);
    assert_eq!(samples["wasm_host_instances_max"], 7.0);
    for healthy in ["wasm_host_threads_alive", "wasm_host_ticker_healthy"] {
        assert_eq!(samples[healthy], 1.0, "{healthy}");
    }
    assert!(samples["wasm_host_cpu_seconds_total{handler=\"mixed\"}"] > 0.0, "{samples:?}");
    assert!(samples["wasm_host_uptime_seconds"] > 0.0);
    let build = format!("wasm_host_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
    assert_eq!(samples[&build], 1.0);
}

#[test]
fn what_runs_and_waits_is_counted_while_it_does() {
    let settings = ["--timeout", "10m", "--cpu-time", "10m", "--instances", "2", "--queue-timeout", "10m"];
    let (server, admin) = start("mixed", &settings);
    let held = [server.client().get_later("/spin"), server.client().get_later("/spin")];
    eventually("two hogs", || scrape(&admin)["wasm_host_jobs{class=\"hog\"}"] == 2.0);
    let waiting = server.client().get_later("/hello");
    eventually("one in the queue", || scrape(&admin)["wasm_host_queued_requests"] == 1.0);
    let samples = scrape(&admin);
    assert_eq!(samples["wasm_host_instances"], 2.0, "{samples:?}");
    let cpu = samples["wasm_host_cpu_seconds_total{handler=\"mixed\"}"];
    eventually("CPU time of requests that still run", || {
        scrape(&admin)["wasm_host_cpu_seconds_total{handler=\"mixed\"}"] > cpu + 0.1
    });
    for job in admin.get("/admin/jobs").json()["jobs"].as_array().expect("a list") {
        let killed = admin.send("DELETE", &format!("/admin/jobs/{}", job["id"]), &[], None);
        assert_eq!(killed.expect("an answer").status, 204);
    }
    for client in held {
        client.join().expect("client").expect("an answer").assert_problem(504, "killed");
    }
    waiting.join().expect("client").expect("an answer").assert_ok();
    eventually("two killed ones", || scrape(&admin).get(&requests("killed")) == Some(&2.0));
}

/// Bulk operations are one instruction: no tick ends them.
#[test]
fn long_polls_are_counted_and_told_once_a_second() {
    let settings = ["--slice", "100us", "--timeout", "2s", "--log-format", "json"];
    let (server, admin) = start("memory-copy", &settings);
    let answers = [server.client().get_later("/?mib=32"), server.client().get_later("/?mib=32")];
    for answer in answers {
        answer.join().expect("client").expect("an answer").assert_problem(504, "guest_timeout");
    }
    server.wait_idle();
    let line = server.log.wait_for(&["long poll", "\"handler\":\"memory-copy\""]);
    let line: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!(line["level"], "WARN");
    assert!(line["longest_poll_ms"].as_f64().is_some_and(|ms| ms > 1.0), "{line}");
    assert_eq!(line["request_id"].as_str().map(str::len), Some(32), "{line}");
    let samples = scrape(&admin);
    assert!(samples["wasm_host_long_polls_total{handler=\"memory-copy\"}"] >= 2.0, "{samples:?}");
    let longest = samples["wasm_host_longest_poll_seconds{handler=\"memory-copy\"}"];
    println!("the longest poll of a 32 MiB copy took {:?}", Duration::from_secs_f64(longest));
    assert!((0.001..2.0).contains(&longest), "{longest}");
}

/// Row 9: what a guest does after its answer is ended, counted and told, and the answer stands.
#[test]
fn work_after_the_answer_is_counted_as_post_return_timeout() {
    for (path, limit) in [
        ("/", &["--timeout", "300ms", "--cpu-time", "10m"][..]),
        ("/", &["--timeout", "10m", "--cpu-time", "100ms"]),
        ("/?sleep", &["--timeout", "300ms", "--cpu-time", "10m"]),
    ] {
        let (server, admin) = start("post-return", limit);
        assert_eq!(server.client().get(path).assert_ok().text(), "done\n");
        server.wait_idle();
        let line = server.log.wait_for(&["guest ended after its answer", "reason=\"post_return_timeout\""]);
        assert!(line.contains("handler=\"post-return\"") && line.contains("request_id="), "{line}");
        let samples = scrape(&admin);
        let count = |family: &str, reason: &str| {
            let name = format!("wasm_host_{family}_total{{handler=\"post-return\",reason=\"{reason}\"}}");
            samples.get(&name).copied().unwrap_or_default()
        };
        assert_eq!(count("ended_after_answer", "post_return_timeout"), 1.0, "{path} {limit:?}: {samples:?}");
        assert_eq!(count("requests", "ok"), 1.0, "{path} {limit:?}: {samples:?}");
        assert_eq!(count("requests", "guest_timeout"), 0.0, "{path} {limit:?}: {samples:?}");
    }
}
