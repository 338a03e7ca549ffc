//! Many handlers on one host: which of them a request is led to, what it is told, and how what is served
//! changes while it is.

use crate::harness::{Log, Server, command, eventually, guest, run, workspace};
use std::fs;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// A directory with copies of guests: the first name is the file's.
fn directory_of(guests: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().expect("temporary directory");
    for (file, name) in guests {
        fs::copy(guest(name), directory.path().join(format!("{file}.wasm"))).expect("component");
    }
    directory
}

fn serve(directory: &Path, arguments: &[&str]) -> Server {
    Server::start(directory.to_str().expect("UTF-8"), arguments)
}

/// A host that serves what a settings file in `directory` says.
fn configured(directory: &Path, settings: &str, arguments: &[&str]) -> Command {
    fs::write(directory.join("wasm-host.toml"), settings).expect("settings");
    let mut host = command();
    host.current_dir(directory).args(["--listen", "127.0.0.1:0"]).args(arguments);
    host
}

#[test]
fn directory_serves_each_component_at_its_name_and_the_index_elsewhere() {
    let directory = directory_of(&[("hello", "hello"), ("echo-env", "env"), ("index", "headers")]);
    let server = serve(directory.path(), &["--admin", "127.0.0.1:0"]);
    let client = server.client();
    for path in ["/hello", "/hello/", "/hello/a/b?q=1"] {
        assert_eq!(client.get(path).assert_ok().text().trim_end(), format!("Hello from {path}"));
    }
    assert!(client.get("/echo-env/x").assert_ok().text().starts_with("environment 0"));
    for path in ["/", "/hellox", "/other"] {
        assert!(!client.get(path).text().starts_with("Hello"), "{path}");
    }
    assert_eq!(client.get("/ready").json()["handlers"], 3);
    server.log.wait_for(&["request", "handler=\"hello\""]);
    let counted = "wasm_host_requests_total{handler=\"hello\",reason=\"ok\"} 3";
    eventually(counted, || server.admin().get("/admin/metrics").text().contains(counted));
}

#[test]
fn what_no_route_leads_to_is_404_and_other_methods_are_405() {
    let directory = directory_of(&[("a", "hello")]);
    let settings = "[handlers.a]\ncomponent = \"a.wasm\"\nroutes = [\"GET,POST /a\", \"/b\"]\n";
    let server = Server::spawn(&mut configured(directory.path(), settings, &[]));
    let client = server.client();
    client.get("/").assert_problem(404, "no_route");
    let send = |method, path| client.send(method, path, &[], None).expect("an answer");
    let refused = send("DELETE", "/a");
    assert_eq!(refused.assert_problem(405, "method_not_allowed").header("allow"), "GET, HEAD, POST");
    send("HEAD", "/a").assert_ok();
    send("OPTIONS", "/b").assert_ok();
    server.log.wait_for(&["request", "handler=\"-\"", "no_route"]);
}

#[test]
fn hosts_lead_to_their_own_handler_whatever_their_case_and_port() {
    let directory = directory_of(&[("a", "hello"), ("b", "env")]);
    let settings = "[handlers.a]\ncomponent = \"a.wasm\"\nroutes = [\"a.example\", \"*.a.example\"]\n\
                    [handlers.b]\ncomponent = \"b.wasm\"\nroutes = \"*\"\n";
    let server = Server::spawn(&mut configured(directory.path(), settings, &[]));
    for (host, hello) in
        [("a.example", true), ("A.Example:81", true), ("x.a.example", true), ("b.example", false)]
    {
        let answer = server
            .client()
            .raw(format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes());
        assert_eq!(answer.contains("Hello from /"), hello, "{host}: {answer}");
    }
}

/// A guest may decode, merge and resolve what the table does not: neither is asked for what is the other's.
#[test]
fn a_path_that_leads_to_two_handlers_is_refused() {
    let directory = directory_of(&[("admin", "hello"), ("index", "hello")]);
    let server = serve(directory.path(), &[]);
    for (path, expected) in [
        ("/admin/a%2Fb", "200"),
        ("/x//y", "200"),
        ("//admin/x", "400"),
        ("/x/../admin/x", "400"),
        ("/x/%2e%2e/admin", "400"),
        ("/admin%2fx", "400"),
    ] {
        let answer = server
            .client()
            .raw(format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").as_bytes());
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected}")), "{path}: {answer}");
    }
}

#[test]
fn a_handler_is_told_its_route_if_it_asks_and_no_client_can_say_it() {
    let directory = directory_of(&[("a", "headers")]);
    let settings = |asked| {
        format!("[handlers.a]\ncomponent = \"a.wasm\"\nroutes = \"/u/{{id}}\"\nroute-header = {asked}\n")
    };
    for asked in [true, false] {
        let server = Server::spawn(&mut configured(directory.path(), &settings(asked), &[]));
        let sent = server.client().send("GET", "/u/7", &[("x-wasm-host-route", "forged")], None);
        let text = sent.expect("an answer").assert_ok().text();
        assert_eq!(text.contains("x-wasm-host-route: /u/{id}"), asked, "{text}");
        assert!(!text.contains("forged"), "{text}");
    }
}

#[test]
fn each_handler_has_its_own_limits_and_its_own_environment() {
    let directory = directory_of(&[("a", "env"), ("b", "env"), ("slow", "sleep")]);
    let settings = "env = [\"WHO=host\"]\n[handlers.a]\ncomponent = \"a.wasm\"\n[handlers.a.env]\nWHO = \"a\"\n\
                    [handlers.b]\ncomponent = \"b.wasm\"\nfuel = 1000000000\n\
                    [handlers.slow]\ncomponent = \"slow.wasm\"\ntimeout = \"200ms\"\n";
    let server = Server::spawn(&mut configured(directory.path(), settings, &[]));
    let client = server.client();
    assert!(client.get("/a").assert_ok().text().contains("WHO=a"));
    assert!(client.get("/b").assert_ok().text().contains("WHO=host"));
    client.get("/slow").assert_problem(504, "guest_timeout");
}

/// Row 107: every mistake, each with its place, before anything is bound.
#[test]
fn mistakes_of_handlers_are_all_told_with_their_places() {
    let directory = directory_of(&[("a", "hello")]);
    let settings = "[handlers.a]\ncomponent = \"a.wasm\"\nroutes = [\"/x\", \"/y//\"]\ntimeout = \"2h\"\nzzz = 1\n\
                    [handlers.b]\ncomponent = \"a.wasm\"\nroutes = \"/x\"\n\
                    [handlers.B_c]\ncomponent = \"a.wasm\"\n[handlers.d]\n";
    let output = configured(directory.path(), settings, &[]).output().expect("the binary starts");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(78), "{text}");
    for part in [
        "wasm-host.toml:8:10: the route `/x` of `b` is one of `a`, too (wasm-host.toml:3:11)",
        "wasm-host.toml:3:17: ",
        "wasm-host.toml:4:11: `timeout` of `a` is more than the host's own",
        "wasm-host.toml:5:1: unknown key \"zzz\" of a handler",
        "\"B_c\" is no name of a handler",
        "the handler `d` has no `component`",
        "6 mistakes, nothing was started",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn every_handler_that_cannot_be_served_is_named() {
    let directory = directory_of(&[("a", "hello")]);
    for name in ["b", "c"] {
        fs::write(directory.path().join(format!("{name}.wasm")), "text").expect("a file");
    }
    let output = run(&[directory.path().to_str().expect("UTF-8")]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(78), "{text}");
    assert_eq!(text.matches("error: cannot serve ").count(), 2, "{text}");
}

fn wait_for_count(log: &Log, text: &str, count: usize) {
    eventually(&format!("{count} lines with {text}"), || log.lines_with(text).len() >= count);
}

#[test]
fn a_change_is_served_by_itself_where_that_is_asked_for_and_a_bad_one_is_not() {
    let directory = directory_of(&[("a", "hello"), ("b", "env")]);
    let server = serve(directory.path(), &["--watch", "on", "--admin", "127.0.0.1:0"]);
    let client = server.client();
    client.get("/a").assert_ok();
    fs::copy(guest("hello"), directory.path().join("c.wasm")).expect("component");
    eventually("the new handler", || client.get("/c").status == 200);
    fs::remove_file(directory.path().join("b.wasm")).expect("it was there");
    eventually("the old handler is gone", || client.get("/b").status == 404);
    let bad = directory.path().join("bad.wasm");
    fs::write(&bad, "text").expect("a file");
    server.log.wait_for(&["cannot reload", "bad.wasm", "a text file"]);
    client.get("/c").assert_ok();
    client.get("/bad").assert_problem(404, "no_route");
    fs::copy(guest("hello"), &bad).expect("component");
    eventually("what was mended", || client.get("/bad").status == 200);
    // Who has not changed has its counters still.
    client.get("/a").assert_ok();
    let counted = "requests_total{handler=\"a\",reason=\"ok\"} 2";
    eventually(counted, || server.admin().get("/admin/metrics").text().contains(counted));
}

#[test]
fn sighup_reloads_and_running_requests_go_on() {
    let directory = directory_of(&[("slow", "mixed")]);
    let settings = |name: &str| format!("[handlers.{name}]\ncomponent = \"slow.wasm\"\nroutes = \"*\"\n");
    let server = Server::spawn(&mut configured(directory.path(), &settings("old"), &["--timeout", "3s"]));
    let running = server.client().get_later("/sleep");
    eventually("a live instance", || server.live_instances() == 1);
    fs::write(directory.path().join("wasm-host.toml"), settings("new")).expect("settings");
    server.signal("HUP");
    server.log.wait_for(&["reloaded", "loaded=\"new\"", "gone=\"old\""]);
    server.client().get("/hello").assert_ok();
    server.log.wait_for(&["request", "handler=\"new\""]);
    running.join().expect("client").expect("an answer").assert_problem(504, "guest_timeout");
    fs::write(directory.path().join("wasm-host.toml"), "nonsense").expect("settings");
    server.signal("HUP");
    wait_for_count(&server.log, "cannot reload", 1);
    server.client().get("/hello").assert_ok();
}

#[test]
fn the_example_in_the_tree_serves() {
    let file = workspace().join("guest/wasm-host.toml");
    let file = file.to_str().expect("UTF-8");
    let checked = run(&["config", "check", "--config", file, "--queue", "7"]);
    let text = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(checked.status.success(), "{text}");
    for part in
        ["queue = \"7\"  # command line", "wasm-host.toml:3:11", "# default", "[handlers.shop]", "GREETING=…"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("moin"), "{text}");
    let schema = run(&["config", "schema"]);
    assert!(
        serde_json::from_slice::<serde_json::Value>(&schema.stdout)
            .is_ok_and(|it| it["properties"].is_object())
    );
    let server = Server::spawn(command().args(["--config", file, "--listen", "127.0.0.1:0"]));
    assert!(server.client().get("/hello/x").assert_ok().text().contains("Hello from /hello/x"));
    assert!(server.client().get("/shop/x").assert_ok().text().contains("GREETING=moin"));
}
