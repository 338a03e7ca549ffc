//! Instances that stay: used again where a handler asks for it, made ahead where it asks for that, and never
//! kept once something went wrong in them.

use crate::harness::{Client, Server, component, eventually, guest, pause, run};
use std::path::PathBuf;
use std::time::Duration;

/// A number of `/admin/metrics`.
#[track_caller]
fn metric(admin: &Client, name: &str) -> f64 {
    let text = admin.get("/admin/metrics").assert_ok().text();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name}: {text}")).parse().expect("a number")
}

/// What a handler that counts its requests answers, if each comes when the one before has given its instance
/// back: that is a moment after its answer.
#[track_caller]
fn counts(server: &Server, path: &str, expected: &[u64]) {
    let count = |_| {
        server.wait_idle();
        server.client().get(path).assert_ok().text().trim().parse().unwrap_or(0)
    };
    assert_eq!(expected.iter().map(count).collect::<Vec<u64>>(), expected);
    server.wait_idle();
}

#[test]
fn counter_counts_where_a_handler_is_reused_and_stays_one_where_not() {
    for (name, path) in [("counter", "/"), ("mixed3", "/count")] {
        let reused = Server::start(&guest(name), &["--reuse", "1000"]);
        counts(&reused, path, &(1..=100).collect::<Vec<_>>());
        let fresh = Server::start(&guest(name), &[]);
        counts(&fresh, path, &[1; 20]);
        reused.wait_idle();
        reused.stop();
    }
}

#[test]
fn instance_serves_as_many_requests_as_it_may() {
    for (name, path) in [("counter", "/"), ("mixed3", "/count")] {
        let server = Server::start(&guest(name), &["--reuse", "3"]);
        counts(&server, path, &[1, 2, 3, 1, 2, 3, 1]);
    }
}

#[test]
fn instance_is_not_kept_after_a_trap_a_timeout_or_an_error() {
    for name in ["mixed", "mixed3"] {
        let server =
            Server::start(&guest(name), &["--reuse", "1000", "--timeout", "1s", "--cpu-time", "200ms"]);
        let client = server.client();
        for (path, status, reason) in
            [("/trap", 500, "guest_trap"), ("/spin", 504, "cpu_limit"), ("/sleep", 504, "guest_timeout")]
        {
            // The one that went wrong was the third of its instance.
            counts(&server, "/count", &[1, 2]);
            let failed = client.get(path);
            // On a machine full of other tests a loop may have no CPU time left to spend within its timeout.
            match failed.json()["reason"] == "guest_timeout" {
                true => failed.assert_problem(504, "guest_timeout"),
                false => failed.assert_problem(status, reason),
            };
        }
        counts(&server, "/count", &[1]);
        server.wait_idle();
        server.stop();
    }
}

#[test]
fn instance_is_not_kept_after_it_was_killed_or_its_client_went() {
    let server = Server::start(&guest("mixed"), &["--reuse", "1000", "--admin", "127.0.0.1:0"]);
    let (client, admin) = (server.client(), server.admin());
    counts(&server, "/count", &[1, 2]);
    let sleeping = client.get_later("/sleep");
    let mut id = None;
    eventually("the job", || {
        id = admin.get("/admin/jobs").json()["jobs"][0]["id"].as_u64();
        id.is_some()
    });
    let killed = admin.send("DELETE", &format!("/admin/jobs/{}", id.expect("just seen")), &[], None);
    assert_eq!(killed.expect("an answer").status, 204);
    sleeping.join().expect("client").expect("an answer").assert_problem(504, "killed");
    counts(&server, "/count", &[1, 2]);
    drop({
        use std::io::Write;
        let mut stream = client.connect();
        stream.write_all(b"GET /sleep HTTP/1.1\r\nHost: a.example\r\n\r\n").expect("sent");
        eventually("it sleeps", || server.live_instances() == 1);
        stream
    });
    server.wait_idle();
    counts(&server, "/count", &[1]);
}

#[test]
fn instance_that_holds_too_much_memory_is_not_used_again() {
    let server = Server::start(&guest("mixed3"), &["--reuse", "1000", "--reuse-memory", "8MiB"]);
    let client = server.client();
    client.get("/grow?mib=4").assert_ok();
    counts(&server, "/count", &[2]);
    client.get("/grow?mib=8").assert_ok();
    counts(&server, "/count", &[1]);
}

#[test]
fn instance_that_waits_too_long_goes() {
    let server = Server::start(
        &guest("counter"),
        &["--reuse", "1000", "--reuse-idle", "100ms", "--admin", "127.0.0.1:0"],
    );
    let admin = server.admin();
    let waiting = || metric(&admin, "wasm_host_instances_waiting{handler=\"counter\"}");
    counts(&server, "/", &[1]);
    eventually("it is gone", || waiting() == 0.0);
    counts(&server, "/", &[1, 2]);
}

#[test]
fn budgets_are_those_of_a_request_also_in_an_instance_that_is_used_again() {
    for name in ["mixed", "mixed3"] {
        let more = ["--reuse", "1000", "--cpu-time", "500ms", "--fuel", "500000000"];
        let server = Server::start(&guest(name), &more);
        let work = || server.client().get("/work?turns=10000000");
        let took: f64 = (0..8)
            .map(|_| {
                let id = work().assert_ok().header("x-request-id").to_owned();
                let line = server.log.wait_for(&["request", &id]);
                let cpu = line.split("cpu_ms=").nth(1).and_then(|rest| rest.split(' ').next());
                cpu.and_then(|cpu| cpu.parse::<f64>().ok()).unwrap_or_else(|| panic!("no cpu_ms: {line}"))
            })
            .sum();
        println!("{name}: eight requests in one instance used {took:.0} ms of CPU time together");
        counts(&server, "/count", &[9]);
        let spent = server.client().get("/work?turns=1000000000");
        assert_eq!(spent.status, 504, "{}", spent.text());
        counts(&server, "/count", &[1]);
    }
}

#[test]
fn lines_of_a_reused_instance_belong_to_the_request_that_wrote_them() {
    let server = Server::start(&guest("print"), &["--reuse", "1000", "--max-log", "16KiB"]);
    for id in ["first", "second", "third"] {
        let answer = server.client().send("GET", "/?bytes=2000", &[("x-request-id", id)], None);
        answer.expect("an answer").assert_ok();
        server.log.wait_for(&["stdout", &format!("request_id={id}")]);
    }
    assert!(server.log.lines_with("output cut").is_empty(), "each request has the bound for itself");
}

#[test]
fn handler_opts_in_by_itself() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("wasm-host.toml");
    let component = guest("counter");
    let text = format!(
        "[handlers.kept]\ncomponent = {component:?}\nreuse = 100\n\n[handlers.fresh]\ncomponent = {component:?}\n"
    );
    std::fs::write(&file, text).expect("a file");
    let server = serve_file(&file);
    counts(&server, "/kept", &[1, 2, 3]);
    counts(&server, "/fresh", &[1, 1, 1]);
}

fn serve_file(file: &PathBuf) -> Server {
    let mut command = crate::harness::command();
    command.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(file);
    Server::spawn(&mut command)
}

/// Instances that wait for requests never keep anybody from one.
#[test]
fn instances_that_wait_give_way_to_requests_of_others() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("wasm-host.toml");
    let component = guest("counter");
    let mut text = "instances = 2\nmax-streams = 0\nreuse = 1000\nreuse-idle = \"1h\"\nwarm = 4\n".to_owned();
    for name in ["a", "b", "c", "d"] {
        text.push_str(&format!("[handlers.{name}]\ncomponent = {component:?}\n"));
    }
    std::fs::write(&file, text).expect("a file");
    let server = serve_file(&file);
    for _ in 0..50 {
        for path in ["/a", "/b", "/c", "/d"] {
            server.client().get(path).assert_ok();
        }
    }
    let together: Vec<_> =
        (0..2).flat_map(|_| ["/a", "/b"]).map(|path| server.client().get_later(path)).collect();
    for answer in together {
        answer.join().expect("client").expect("an answer").assert_ok();
    }
    server.wait_idle();
    server.stop();
}

#[test]
fn warm_instances_are_made_ahead_and_serve_one_request_each() {
    for name in ["hello", "hello3", "counter"] {
        let server = Server::start(&guest(name), &["--warm", "3", "--admin", "127.0.0.1:0"]);
        let admin = server.admin();
        let figure =
            |what: &str| metric(&admin, &format!("wasm_host_instances_{what}{{handler=\"{name}\"}}"));
        for round in 0..20 {
            eventually("three wait", || figure("waiting") == 3.0);
            let text = server.client().get("/").assert_ok().text();
            assert!(name != "counter" || text == "1\n", "round {round}: {text}");
        }
        eventually("one was made for each that was used", || figure("made_total") == 23.0);
        server.stop();
    }
}

#[test]
fn warm_instances_do_not_get_old() {
    let server =
        Server::start(&guest("counter"), &["--warm", "2", "--warm-age", "50ms", "--admin", "127.0.0.1:0"]);
    let admin = server.admin();
    eventually("they were made anew", || {
        metric(&admin, "wasm_host_instances_made_total{handler=\"counter\"}") > 6.0
    });
    counts(&server, "/", &[1, 1, 1]);
}

/// A start that never ends is not begun again and again while nobody asks for anything.
#[test]
fn instance_that_cannot_be_made_ahead_is_not_tried_all_the_time() {
    let more = ["--warm", "2", "--cpu-time", "20ms", "--admin", "127.0.0.1:0"];
    let server = Server::start(&component("looping_start"), &more);
    let admin = server.admin();
    let made = || {
        let text = admin.get("/admin/metrics").assert_ok().text();
        let line = text.lines().find_map(|line| line.strip_prefix("wasm_host_instances_made_total{"));
        line.and_then(|line| line.split(' ').nth(1)?.parse::<f64>().ok()).unwrap_or_default()
    };
    eventually("one was tried", || made() > 0.0);
    pause(Duration::from_secs(2));
    assert!(made() <= 12.0, "{} in about two seconds", made());
    server.client().get("/").assert_problem(504, "cpu_limit");
}

#[test]
fn reused_guest_that_gives_no_response_is_told_so_at_once() {
    let server = Server::start(&guest("no-response"), &["--reuse", "1000"]);
    for _ in 0..3 {
        server.client().get("/").assert_problem(500, "guest_no_response");
    }
    server.wait_idle();
}

#[test]
fn shared_instance_serves_requests_at_once_and_counts_them() {
    let more = ["--reuse", "1000", "--reuse-concurrency", "16", "--admin", "127.0.0.1:0"];
    let server = Server::start(&guest("mixed3"), &more);
    let client = server.client();
    let waiting: Vec<_> = (0..16).map(|_| client.get_later("/wait?ms=1000")).collect();
    for answer in waiting {
        assert_eq!(answer.join().expect("client").expect("an answer").assert_ok().text(), "waited\n");
    }
    let made = metric(&server.admin(), "wasm_host_instances_made_total{handler=\"mixed3\"}");
    println!("16 requests that came together were served by {made} instance(s)");
    assert!(made <= 2.0, "{made}");
    server.wait_idle();
    for dots in [1, 10] {
        let answer = client.get(&format!("/drip?n={dots}&ms=5"));
        assert_eq!(answer.assert_ok().text(), ".".repeat(dots));
    }
    // Who comes while the instance is put away for the next one gets another.
    server.wait_idle();
    let count: u64 = client.get("/count").assert_ok().text().trim().parse().expect("a number");
    assert!(count > 1, "it was used again: {count}");
    server.wait_idle();
    server.stop();
}

/// What cannot be meant is told at the start.
#[test]
fn sharing_without_reuse_or_with_fuel_is_a_configuration_error() {
    for (more, what) in [
        (&["--reuse-concurrency", "4"][..], "`reuse-concurrency` is set, but `reuse` is not"),
        (&["--reuse", "9", "--reuse-concurrency", "4", "--fuel", "9"], "`fuel` is counted for an instance"),
        (&["--reuse", "0"], "--reuse"),
    ] {
        let output = run(&[&["serve", &guest("hello3")], more].concat());
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(matches!(output.status.code(), Some(64 | 78)), "{text}");
        assert!(text.contains(what), "{what}: {text}");
    }
}
