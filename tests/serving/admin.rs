//! What the admin side shows of live requests, and how it ends them, whatever they are doing.

use crate::harness::{Answer, Client, Connection, Server, eventually, guest};
use serde_json::Value;
use std::collections::BTreeSet;
use std::thread::JoinHandle;
use std::time::Instant;

/// A host whose requests only end when they are killed.
#[track_caller]
fn patient(name: &str, more: &[&str]) -> (Server, Client) {
    let settings = ["--admin", "127.0.0.1:0", "--timeout", "10m", "--cpu-time", "10m"];
    let server = Server::start(&guest(name), &[&settings, more].concat());
    let admin = server.admin();
    (server, admin)
}

#[track_caller]
fn snapshot(admin: &Client) -> Vec<Value> {
    admin.get("/admin/jobs").assert_ok().json()["jobs"].as_array().expect("a list").clone()
}

/// Waits for a job that `fits`.
#[track_caller]
fn job(admin: &Client, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
    let mut found = None;
    eventually(&format!("a job: {what}"), || {
        found = snapshot(admin).into_iter().find(|job| fits(job));
        found.is_some()
    });
    found.expect("just found")
}

#[track_caller]
fn kill(admin: &Client, job: &Value) -> Answer {
    let path = format!("/admin/jobs/{}", job["id"]);
    admin.send("DELETE", &path, &[], None).unwrap_or_else(|error| panic!("DELETE {path}: {error}"))
}

#[track_caller]
fn assert_killed(client: JoinHandle<Result<Answer, String>>) {
    client.join().expect("client").expect("an answer").assert_problem(504, "killed");
}

/// Waits until the admin side, too, knows of no job.
#[track_caller]
fn wait_gone(server: &Server, admin: &Client) {
    server.wait_idle();
    eventually("no job is listed", || admin.get("/admin/jobs").json()["total"] == 0);
}

#[test]
fn snapshot_shows_what_each_request_is_at_and_what_it_holds() {
    let (server, admin) = patient("mixed", &[]);
    let clients = ["/spin", "/sleep"].map(|path| server.client().get_later(path));
    let spin = job(&admin, "a spinning hog", |job| job["path"] == "/spin" && job["class"] == "hog");
    let cpu_ms = spin["cpu_ms"].as_f64().expect("milliseconds");
    assert!(cpu_ms > 500.0 && spin["age_ms"].as_f64().expect("milliseconds") >= cpu_ms / 2.0, "{spin}");
    job(&admin, "the loop waits for its turn or has it", |job| {
        job["id"] == spin["id"] && (job["state"] == "queued" || job["state"] == "running")
    });
    let sleep = job(&admin, "a sleeper", |job| job["path"] == "/sleep" && job["state"] == "waiting");
    assert_eq!(
        (&sleep["class"], &sleep["handler"], &sleep["method"]),
        (&"fresh".into(), &"mixed".into(), &"GET".into())
    );
    assert_eq!(sleep["request_id"].as_str().map(str::len), Some(32), "{sleep}");
    assert_eq!(sleep["outcome"], Value::Null);
    for job in [&spin, &sleep] {
        let number = |field: &str| job[field].as_f64().unwrap_or_else(|| panic!("{field}: {job}"));
        assert!((65536.0..1e8).contains(&number("memory_bytes")), "{job}");
        assert!(number("memory_peak_bytes") >= number("memory_bytes"), "{job}");
        assert!((1.0..600_000.0).contains(&number("time_left_ms")), "{job}");
    }
    let paths: Vec<Value> = snapshot(&admin).iter().map(|job| job["path"].clone()).collect();
    assert_eq!(paths, ["/spin", "/sleep"], "most CPU time first");
    let first = admin.get("/admin/jobs?limit=1").json();
    assert_eq!(
        (&first["total"], &first["jobs"][0]["id"], &first["jobs"][1]),
        (&2.into(), &spin["id"], &Value::Null)
    );
    for job in [&spin, &sleep] {
        assert_eq!(kill(&admin, job).status, 204);
    }
    clients.into_iter().for_each(assert_killed);
    wait_gone(&server, &admin);
}

/// The answer is written in parts, so that others have a turn.
#[test]
fn snapshot_of_many_jobs_is_whole() {
    let (server, admin) = patient("mixed", &[]);
    let clients: Vec<_> = (0..150).map(|_| server.client().get_later("/sleep")).collect();
    eventually("150 jobs", || admin.get("/admin/jobs").json()["total"] == 150);
    for (limit, shown) in [(0, 0), (1, 1), (127, 127), (128, 128), (129, 129), (150, 150), (10_000, 150)] {
        let answer = admin.get(&format!("/admin/jobs?limit={limit}")).json();
        let jobs = answer["jobs"].as_array().expect("a list");
        let ids: BTreeSet<u64> = jobs.iter().filter_map(|job| job["id"].as_u64()).collect();
        assert_eq!((ids.len(), answer["total"].as_u64()), (shown, Some(150)), "limit={limit}");
        let cpu = |job: &Value| job["cpu_ms"].as_f64().expect("milliseconds");
        assert!(jobs.is_sorted_by(|one, next| cpu(one) >= cpu(next)), "most CPU time first");
    }
    for job in snapshot(&admin) {
        assert_eq!(kill(&admin, &job).status, 204);
    }
    clients.into_iter().for_each(assert_killed);
    wait_gone(&server, &admin);
}

#[test]
fn memory_of_a_job_is_what_it_holds_now() {
    let (server, admin) = patient("post-return", &[]);
    server.client().get("/?sleep").assert_ok();
    let sleeper = job(&admin, "asleep after its answer", |job| job["state"] == "waiting");
    assert!(sleeper["memory_bytes"].as_u64().is_some_and(|bytes| bytes >= 64 * 1024), "{sleeper}");
}

#[test]
fn killed_request_is_answered_504_and_gone_whatever_it_does() {
    let (server, admin) = patient("mixed", &[]);
    for (path, class, state) in [
        ("/spin", "fresh", None),
        ("/spin", "hog", None),
        ("/spin-poll", "hog", None),
        ("/sleep", "fresh", Some("waiting")),
    ] {
        let client = server.client().get_later(path);
        let found = job(&admin, path, |job| {
            job["path"] == path
                && (class == "fresh" || job["class"] == class)
                && state.is_none_or(|state| job["state"] == state)
        });
        let began = Instant::now();
        let killed = kill(&admin, &found);
        assert_eq!((killed.status, killed.body.len()), (204, 0), "{killed:?}");
        assert_killed(client);
        println!("{path} ({class}): answered {:?} after the kill", began.elapsed());
        wait_gone(&server, &admin);
        kill(&admin, &found).assert_problem(404, "no_such_job");
        let id = found["request_id"].as_str().expect("an id").to_owned();
        server.log.wait_for(&["killed", &id, "handler=\"mixed\"", &format!("job={}", found["id"])]);
        server.log.wait_for(&["reason=\"killed\"", &id, "status=504"]);
    }
    assert_eq!(server.client().get("/hello").assert_ok().text(), "hello\n");
}

#[test]
fn queued_hogs_are_killed_without_waiting_for_their_turn() {
    let (server, admin) = patient("mixed", &["--threads", "1"]);
    let clients: Vec<_> = (0..6).map(|_| server.client().get_later("/spin")).collect();
    eventually("six hogs", || snapshot(&admin).iter().filter(|job| job["class"] == "hog").count() == 6);
    let queued = job(&admin, "a queued hog", |job| job["state"] == "queued");
    assert_eq!(kill(&admin, &queued).status, 204);
    eventually("one less", || server.live_instances() == 5);
    for job in snapshot(&admin) {
        assert_eq!(kill(&admin, &job).status, 204);
    }
    clients.into_iter().for_each(assert_killed);
    wait_gone(&server, &admin);
}

#[test]
fn killed_stream_is_cut_before_its_end() {
    for (name, path) in [("wedge", "/"), ("wedge-sleep", "/"), ("sse", "/?n=0&ms=20"), ("endless", "/")] {
        let (server, admin) = patient(name, &[]);
        let mut client = Connection::open(&server.client());
        assert!(client.send(format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n")));
        assert_eq!(client.head_of_answer().expect("a head").status, 200);
        assert!(!client.chunk().expect("a first chunk").is_empty());
        assert_eq!(kill(&admin, &job(&admin, name, |_| true)).status, 204);
        while let Ok(chunk) = client.chunk() {
            assert!(!chunk.is_empty(), "{name}: the last chunk must not come");
        }
        wait_gone(&server, &admin);
        server.log.wait_for(&["reason=\"killed\"", "status=200"]);
    }
}

/// The connection holds the response's body, and nobody polls it while its client does not read.
#[test]
fn killed_stream_that_nobody_reads_is_gone_at_once() {
    let (server, admin) = patient("endless", &[]);
    let mut client = Connection::open(&server.client());
    assert!(client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n"));
    let stuck = job(&admin, "waiting for its client", |job| job["state"] == "waiting");
    assert_eq!(kill(&admin, &stuck).status, 204);
    wait_gone(&server, &admin);
}

#[test]
fn job_that_goes_on_after_its_answer_is_shown_and_killed() {
    let (server, admin) = patient("post-return", &[]);
    for path in ["/", "/?sleep"] {
        assert_eq!(server.client().get(path).assert_ok().text(), "done\n");
        let detached = job(&admin, "with its answer sent", |job| job["outcome"] == "ok");
        assert_eq!(kill(&admin, &detached).status, 204);
        wait_gone(&server, &admin);
        let id = detached["request_id"].as_str().expect("an id").to_owned();
        server.log.wait_for(&["guest ended after its answer", "reason=\"killed\"", &id]);
        server.log.wait_for(&["reason=\"ok\"", "status=200", &id]);
    }
}

#[test]
fn paths_methods_and_ids_that_are_not_there_are_refused() {
    let (_server, admin) = patient("hello", &[]);
    let send = |method: &str, path: &str| admin.send(method, path, &[], None).expect("an answer");
    for id in ["0", "1", "18446744073709551615"] {
        send("DELETE", &format!("/admin/jobs/{id}")).assert_problem(404, "no_such_job");
    }
    for id in ["", "x", "-1", "+1", "1.0", "%31", "18446744073709551616"] {
        send("DELETE", &format!("/admin/jobs/{id}")).assert_problem(400, "bad_request");
    }
    // What is not one segment is no id, and there is nothing else below.
    send("DELETE", "/admin/jobs/1/2").assert_problem(404, "not_found");
    for query in ["limit=x", "limit=-1", "limit=10001", "limit="] {
        send("GET", &format!("/admin/jobs?{query}")).assert_problem(400, "bad_request");
    }
    for path in ["/", "/admin", "/admin/", "/admin/job", "/metrics", "/healthy"] {
        send("GET", path).assert_problem(404, "not_found");
    }
    for (method, path, allowed) in [
        ("POST", "/admin/jobs", "GET, HEAD"),
        ("DELETE", "/admin/jobs", "GET, HEAD"),
        ("PUT", "/admin/metrics", "GET, HEAD"),
        ("GET", "/admin/jobs/1", "DELETE"),
        ("DELETE", "/health", "GET, HEAD"),
        ("POST", "/ready", "GET, HEAD"),
    ] {
        let refused = send(method, path);
        refused.assert_problem(405, "method_not_allowed");
        assert_eq!(refused.header("allow"), allowed, "{method} {path}");
    }
    for path in ["/health", "/ready", "/admin/jobs", "/admin/metrics"] {
        let (whole, head) = (send("GET", path), send("HEAD", path));
        whole.assert_ok();
        assert_eq!((head.status, head.body.len()), (200, 0));
        assert_eq!(head.header("content-type"), whole.header("content-type"));
    }
}

/// Also when not one more client is let in.
#[test]
fn admin_side_answers_while_64_loops_hold_every_instance_and_every_connection() {
    let (server, admin) = patient(
        "mixed",
        &["--instances", "64", "--queue", "0", "--max-connections", "64", "--hog-after", "20ms"],
    );
    let clients: Vec<_> = (0..64).map(|_| server.client().get_later("/spin")).collect();
    eventually("64 instances", || admin.get("/ready").json()["instances"]["live"] == 64);
    eventually("64 hogs", || snapshot(&admin).iter().all(|job| job["class"] == "hog"));
    let mut slowest = std::time::Duration::ZERO;
    for path in ["/health", "/ready", "/admin/jobs", "/admin/metrics"].iter().cycle().take(200) {
        slowest = slowest.max(admin.get(path).assert_ok().took);
    }
    println!("64 loops: the slowest of 200 admin answers took {slowest:?}");
    assert!(slowest.as_secs() < 10, "{slowest:?}");
    let jobs = snapshot(&admin);
    assert_eq!(jobs.len(), 64);
    for job in &jobs {
        assert_eq!(kill(&admin, job).status, 204);
    }
    clients.into_iter().for_each(assert_killed);
    eventually("no instance", || admin.get("/ready").json()["instances"]["live"] == 0);
}

#[test]
fn admin_side_answers_through_a_drain_and_ends_what_holds_it_up() {
    let (mut server, admin) = patient("mixed", &["--drain-timeout", "10m"]);
    let client = server.client().get_later("/spin");
    let found = job(&admin, "a runaway", |_| true);
    server.signal("TERM");
    eventually("the drain", || admin.get("/ready").status == 503);
    assert_eq!(admin.get("/ready").json()["status"], "draining");
    admin.get("/health").assert_ok();
    assert_eq!(kill(&admin, &found).status, 204);
    assert_killed(client);
    assert_eq!(server.wait().code(), Some(0));
}
