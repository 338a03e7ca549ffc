//! `wasm-host deploy` and its kin against a running host.

use super::{Site, env};
use crate::harness::{command, eventually, guest};
use std::io::{BufRead, BufReader};
use std::process::{Output, Stdio};

/// Runs a command against the host.
fn run(site: &Site, arguments: &[&str]) -> Output {
    let admin = site.admin.address().to_string();
    let mut wasm_host = command();
    wasm_host.args(arguments).args(["--admin", &admin]).stdin(Stdio::null());
    wasm_host.output().expect("the binary starts")
}

#[track_caller]
fn done(site: &Site, arguments: &[&str]) -> String {
    let output = run(site, arguments);
    let (told, failed) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {told}{failed}");
    told.into_owned()
}

#[track_caller]
fn refused(output: &Output, code: i32) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(text.starts_with("error: ") && output.stdout.is_empty(), "{text}");
    text
}

#[test]
fn handler_is_deployed_changed_and_removed_by_commands() {
    let site = Site::new(&[]);
    let env = env();
    let told = done(&site, &["deploy", "app", &env, "--env", "VERSION=1", "--timeout", "2s"]);
    assert!(
        told.contains("app serves version") && told.contains("/app") && told.contains("generation 1"),
        "{told}"
    );
    let again = done(&site, &["deploy", "app", &env, "--env", "VERSION=1", "--timeout", "2s"]);
    assert!(again.contains("already"), "{again}");
    done(&site, &["deploy", "app", &env, "--env", "VERSION=2", "--route", "/other", "--route", "/app"]);
    assert!(site.text("/other").contains("VERSION=2\n"));
    let list = done(&site, &["list"]);
    let lines: Vec<&str> = list.lines().collect();
    assert_eq!(lines.len(), 3, "{list}");
    assert!(
        lines[0].starts_with("NAME") && lines[1].starts_with("app") && lines[2].contains("(settings)"),
        "{list}"
    );
    let shown = done(&site, &["show", "app"]);
    assert!(shown.contains("VERSION=…") && !shown.contains("VERSION=2"), "{shown}");
    let versions = done(&site, &["versions", "app"]);
    assert!(versions.contains("active") && versions.contains("previous"), "{versions}");
    done(&site, &["rollback", "app"]);
    assert!(site.text("/app").contains("VERSION=1\n"));
    let id = versions.lines().nth(1).and_then(|line| line.split_whitespace().next()).expect("a version");
    done(&site, &["rollback", "app", id]);
    assert!(site.text("/app").contains("VERSION=2\n"));
    done(&site, &["pause", "app", "--reason", "maintenance"]);
    assert!(done(&site, &["show", "app"]).contains("maintenance"));
    site.server.client().get("/app").assert_problem(503, "paused");
    done(&site, &["resume", "app"]);
    let told =
        done(&site, &["canary", "app", &env, "--percent", "100", "--env", "VERSION=3", "--route", "/app"]);
    assert!(told.contains("100% of the requests"), "{told}");
    assert!(site.text("/app").contains("VERSION=3\n"));
    done(&site, &["promote", "app"]);
    assert!(site.text("/app").contains("VERSION=3\n"));
    let json = done(&site, &["show", "app", "--json"]);
    let document: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(document["state"], "serving");
    done(&site, &["remove", "app"]);
    refused(&run(&site, &["show", "app"]), 65);
}

#[test]
fn refusals_say_whose_turn_it_is_by_their_exit_code() {
    let site = Site::new(&[]);
    let text = refused(&run(&site, &["rollback", "none"]), 65);
    assert!(text.contains("no_such_handler"), "{text}");
    let text = refused(&run(&site, &["deploy", "app", &env(), "--timeout", "2 years"]), 65);
    assert!(text.contains("bad_settings") && text.contains("timeout"), "{text}");
    let text = refused(&run(&site, &["deploy", "app", &env(), "--generation", "7"]), 65);
    assert!(text.contains("conflict"), "{text}");
    let text = refused(&run(&site, &["deploy", "app", "gone.wasm"]), 78);
    assert!(text.contains("gone.wasm"), "{text}");
    refused(&run(&site, &["deploy", "app"]), 64);
    refused(&run(&site, &["canary", "app", "x.wasm", "--percent", "101"]), 64);
    let mut nowhere = command();
    let text = refused(&nowhere.args(["list", "--admin", "127.0.0.1:1"]).output().expect("the binary"), 69);
    assert!(text.contains("no host answers") && text.contains("127.0.0.1:1"), "{text}");
    let mut odd = command();
    refused(&odd.args(["list", "--admin", "https://x"]).output().expect("the binary"), 64);
}

#[test]
fn token_comes_from_the_environment() {
    let state = super::private();
    let mut host = command();
    host.current_dir(state.path()).env("WASM_HOST_STATE", state.path().join("state"));
    host.env("WASM_HOST_ADMIN_TOKEN", "correct-horse-battery");
    host.args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    let server = crate::harness::Server::spawn(&mut host);
    let admin = server.admin().address().to_string();
    let list = |token: Option<&str>| {
        let mut list = command();
        if let Some(token) = token {
            list.env("WASM_HOST_ADMIN_TOKEN", token);
        }
        list.args(["list", "--admin", &admin]).output().expect("the binary")
    };
    assert!(refused(&list(None), 77).contains("WASM_HOST_ADMIN_TOKEN"));
    assert!(refused(&list(Some("wrong-horse-battery")), 77).contains("does not take this token"));
    assert_eq!(list(Some("correct-horse-battery")).status.code(), Some(0));
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let output = crate::harness::run(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0));
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        assert!(text.contains("rollback") && text.contains("queue-timeout"), "{shell}");
    }
}

#[test]
fn log_lines_of_one_handler_can_be_read_and_followed() {
    let site = Site::new(&[]);
    site.deploy("app", &guest("print"), "{}").assert_ok();
    site.deploy("other", &env(), "{}").assert_ok();
    site.text("/app");
    site.text("/other");
    eventually("the lines", || done(&site, &["logs", "app"]).contains("stream="));
    let lines = done(&site, &["logs", "app"]);
    assert!(lines.lines().all(|line| line.contains("handler=\"app\"")), "{lines}");
    assert_eq!(done(&site, &["logs", "app", "--lines", "1"]).lines().count(), 1);
    refused(&run(&site, &["logs", "none"]), 65);
    let admin = site.admin.address().to_string();
    let mut follow = command();
    follow.args(["logs", "app", "--follow", "--lines", "0", "--admin", &admin]).stdout(Stdio::piped());
    let mut follow = follow.spawn().expect("the binary starts");
    let mut followed = BufReader::new(follow.stdout.take().expect("piped")).lines();
    // It follows once a line comes: asked for until then.
    let client = site.server.client();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let line = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                client.get("/app");
                crate::harness::pause(std::time::Duration::from_millis(20));
            }
        });
        let line = followed.next();
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        line
    });
    assert!(line.expect("a line").expect("UTF-8").contains("handler=\"app\""));
    follow.kill().expect("it runs");
    follow.wait().expect("it ends");
}
