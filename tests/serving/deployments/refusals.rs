//! What is no deployment, and that nothing changes by it.

use super::{Site, deploy, env, escaped, marked};
use crate::harness::{Connection, component, eventually, guest};

/// Row 93: names are names, and nothing else.
#[test]
fn names_that_are_none_are_refused() {
    let site = Site::new(&[]);
    let long = "a".repeat(64);
    for name in ["..", "%2e%2e", "%2e%2e%2f", "a%00b", "A", "-a", "a_b", "a.b", "", "%C3%A4", &long, "a%20b"]
    {
        site.deploy(name, &env(), "{}").assert_problem(400, "bad_name");
        site.admin.get(&format!("/admin/handlers/{name}")).assert_problem(400, "bad_name");
    }
    site.deploy(&long[..63], &env(), "{}").assert_ok();
    for name in ["../x", "a/b/c"] {
        site.deploy(name, &env(), "{}").assert_problem(404, "not_found");
    }
}

/// Rows 84, 85 and 15: what cannot run is refused with its reason, and what runs goes on.
#[test]
fn components_that_cannot_run_are_refused_with_a_reason() {
    let site = Site::new(&[]);
    site.deploy("app", &env(), &marked(1)).assert_ok();
    let put =
        |bytes: &[u8]| site.ask("PUT", "/admin/handlers/app", &[("content-type", "application/wasm")], bytes);
    let hello = std::fs::read(guest("hello")).expect("a component");
    put(b"").assert_problem(422, "invalid_wasm");
    put(b"hello").assert_problem(422, "invalid_wasm");
    put(b"\0asm\x01\0\0\0").assert_problem(422, "invalid_wasm");
    put(&hello[..hello.len() / 2]).assert_problem(422, "invalid_wasm");
    for (name, reason) in
        [("huge_minimum", "needs_too_much"), ("ungranted", "not_granted"), ("command", "no_handler")]
    {
        let refused = put(&std::fs::read(component(name)).expect("a component"));
        refused.assert_problem(422, reason);
        assert!(refused.json()["detail"].as_str().is_some_and(|detail| detail.len() > 20), "{refused:?}");
    }
    assert!(site.text("/app").contains("VERSION=1"));
    assert_eq!(site.show("app")["active"]["role"], "active");
    site.server.log.wait_for(&["audit", "invalid_wasm"]);
}

/// What does not start, or does not answer what it is tried with, never answers anyone.
#[test]
fn versions_that_fail_their_trial_are_refused() {
    let site = Site::new(&["--timeout", "3s"]);
    site.deploy("app", &env(), &marked(1)).assert_ok();
    let refused = site.deploy("app", &component("looping_start"), r#"{"timeout":"200ms"}"#);
    refused.assert_problem(422, "trial_failed");
    assert!(refused.text().contains("guest_timeout"), "{}", refused.text());
    for (component, settings) in [
        ("trap", r#"{"check":"/"}"#),
        ("status", r#"{"check":"/?code=500"}"#),
        ("sleep", r#"{"check":"/","timeout":"200ms"}"#),
    ] {
        let refused = site.deploy("app", &guest(component), settings);
        refused.assert_problem(422, "trial_failed");
        assert!(refused.json()["detail"].to_string().contains("GET /"), "{}", refused.text());
    }
    assert!(site.text("/app").contains("VERSION=1"));
    site.deploy("app", &guest("status"), r#"{"check":"/?code=404"}"#).assert_ok();
}

/// Whatever panics over a component, the change is refused, and the next one is made.
#[test]
#[cfg_attr(not(feature = "failpoints"), ignore = "needs the feature `failpoints`")]
fn panic_over_a_deployment_is_a_refusal_and_the_next_is_made() {
    let site = Site::new_with(&[], |host| {
        host.env("FAILPOINTS", "deploy=1*panic(ouch)");
    });
    site.deploy("app", &env(), &marked(1)).assert_problem(500, "host_failed");
    site.server.log.wait_for(&["host panic", "deploy-load", "ouch"]);
    site.deploy("app", &env(), &marked(2)).assert_ok();
    assert!(site.text("/app").contains("VERSION=2"));
}

#[test]
fn settings_that_cannot_be_used_are_refused_all_at_once() {
    let site = Site::new(&["--timeout", "5s"]);
    let refused = site.deploy("app", &env(), r#"{"timeout":"6s","colour":"red","memory":"lots"}"#);
    refused.assert_problem(422, "bad_settings");
    let detail = refused.json()["detail"].as_str().expect("a detail").to_owned();
    for part in ["timeout", "colour", "memory"] {
        assert!(detail.contains(part), "{detail}");
    }
    for settings in ["[]", "{", r#"{"routes":["no route at all"]}"#, r#"{"check":"x"}"#] {
        site.deploy("app", &env(), settings).assert_problem(422, "bad_settings");
    }
    site.admin.get("/admin/handlers/app").assert_problem(404, "no_such_handler");
}

/// Row 90: too large, and too slow.
#[test]
fn large_and_slow_uploads_are_cut() {
    let site = Site::new(&["--max-component", "1MiB", "--upload-timeout", "300ms"]);
    let wasm = [("content-type", "application/wasm")];
    let head = "PUT /admin/handlers/app HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/wasm\r\n";
    let declared = site.admin.raw(format!("{head}content-length: 1048577\r\n\r\n").as_bytes());
    assert!(declared.starts_with("HTTP/1.1 413") && declared.contains("component_too_large"), "{declared}");
    let late = site.admin.raw(format!("{head}content-length: 100\r\n\r\nabc").as_bytes());
    assert!(late.starts_with("HTTP/1.1 408") && late.contains("upload_timeout"), "{late}");
    site.ask("PUT", "/admin/handlers/app", &wasm, &vec![0; 1024 * 1024]).assert_problem(422, "invalid_wasm");
    // Without a length it is counted as it comes.
    let chunked = format!("{head}transfer-encoding: chunked\r\n\r\n100001\r\n{}", "x".repeat(0x10_0001));
    let chunked = site.admin.raw(chunked.as_bytes());
    assert!(chunked.is_empty() || chunked.starts_with("HTTP/1.1 413"), "{chunked:.200}");
}

#[test]
fn changes_that_are_not_written_right_are_refused() {
    let site = Site::new(&[]);
    site.deploy("app", &env(), &marked(1)).assert_ok();
    let text = [("content-type", "text/plain")];
    site.ask("PUT", "/admin/handlers/app", &text, b"x").assert_problem(415, "unsupported_media");
    site.ask("POST", "/admin/handlers/app/pause", &text, b"x").assert_problem(415, "unsupported_media");
    site.post("app", "pause", r#"{"why":"x"}"#).assert_problem(400, "bad_change");
    site.post("app", "pause", &format!(r#"{{"reason":"{}"}}"#, "x".repeat(201)))
        .assert_problem(400, "bad_change");
    site.post("app", "rollback", "").assert_problem(409, "no_previous");
    site.post("app", "rollback", r#"{"version":"abc"}"#).assert_problem(404, "no_such_version");
    site.post("app", "promote", "").assert_problem(409, "no_canary");
    site.post("none", "pause", "").assert_problem(404, "no_such_handler");
    let wasm = [("content-type", "application/wasm")];
    let odd = site.ask("PUT", "/admin/handlers/app?setings=%7b%7d", &wasm, b"x");
    odd.assert_problem(400, "bad_change");
    let refused = site.ask("PATCH", "/admin/handlers/app", &[], b"");
    refused.assert_problem(405, "method_not_allowed");
    assert_eq!(refused.header("allow"), "GET, HEAD, PUT, DELETE");
    let json = [("content-type", "application/json")];
    for document in
        ["{}", r#"{"component":""}"#, r#"{"component":"https://a.example/b"}"#, r#"{"component":"oci://A"}"#]
    {
        site.ask("PUT", "/admin/handlers/app", &json, document.as_bytes()).assert_problem(400, "bad_change");
    }
}

#[test]
fn host_without_a_store_takes_no_deployments() {
    let server = crate::harness::Server::start(&guest("hello"), &["--admin", "127.0.0.1:0"]);
    let admin = server.admin();
    deploy(&admin, "app", &env(), "{}", &[]).assert_problem(409, "deployments_off");
    admin.get("/admin/handlers").assert_ok();
}

/// With keys that have to sign, what nobody signed is not compiled.
#[test]
fn unsigned_deployments_are_refused_and_signed_ones_stay_signed() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name).to_string_lossy().into_owned();
    assert!(crate::harness::run(&["keygen", "--output", &path("k")]).status.success());
    std::fs::copy(env(), path("app.wasm")).expect("a component");
    assert!(crate::harness::run(&["sign", "--key", &path("k.key"), &path("app.wasm")]).status.success());
    let key = path("k.pub");
    let site = Site::new(&["--require-signature", &key]);
    site.deploy("app", &env(), "{}").assert_problem(422, "bad_signature");
    use base64::Engine as _;
    let signatures = std::fs::read(path("app.wasm.sig")).expect("signatures");
    let signatures = base64::engine::general_purpose::STANDARD.encode(signatures);
    let with = [("wasm-host-signatures", signatures.as_str())];
    deploy(&site.admin, "app", &guest("hello"), "{}", &with).assert_problem(422, "bad_signature");
    deploy(&site.admin, "app", &env(), &marked(1), &with).assert_ok();
    // Checked again at each start, against the keys of that start.
    let site = site.restart(&["--require-signature", &key]);
    assert!(site.text("/app").contains("VERSION=1"));
    assert!(crate::harness::run(&["keygen", "--output", &path("other")]).status.success());
    let other = path("other.pub");
    let site = site.restart(&["--require-signature", &other]);
    assert_eq!(site.show("app")["state"], "failed");
    assert_eq!(site.server.client().get("/app").status, 404, "the welcome page has it now");
}

/// Whoever goes away leaves what was asked for behind, and the log tells what came of it.
#[test]
fn change_whose_client_went_away_is_told_in_the_log() {
    let site = Site::new(&[]);
    let bytes = std::fs::read(guest("sleep")).expect("a component");
    let settings = escaped(r#"{"check":"/","timeout":"2s"}"#);
    let head = format!(
        "PUT /admin/handlers/app?settings={settings} HTTP/1.1\r\nhost: {}\r\n\
         content-type: application/wasm\r\ncontent-length: {}\r\n\r\n",
        site.admin.address(),
        bytes.len()
    );
    let mut client = Connection::open(&site.admin);
    assert!(client.send([head.as_bytes(), &bytes].concat()), "the host takes it");
    let told = || !site.server.log.lines_with("audit").is_empty();
    eventually("it is tried", || told() || site.server.live_instances() > 0);
    drop(client);
    site.server.log.wait_for(&["audit", "deploy", "app", "trial_failed"]);
}
