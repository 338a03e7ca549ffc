//! Each change that can be made, and that it lasts.

use super::{Site, deploy, env, marked, private, serve};
use crate::harness::{eventually, guest};

#[test]
fn deployed_handler_is_served_and_is_there_after_a_restart() {
    let site = Site::new(&[]);
    let answer = site.deploy("hello", &guest("hello"), "{}");
    let changed = answer.assert_ok().json();
    assert_eq!(changed["changed"], true, "{changed}");
    assert_eq!(answer.header("etag"), format!("\"{}\"", changed["handler"]["generation"]));
    assert!(site.text("/hello").contains("/hello"));
    let listed = site.admin.get("/admin/handlers").assert_ok().json();
    let names: Vec<_> = listed["handlers"].as_array().expect("a list").iter().map(|it| &it["name"]).collect();
    assert_eq!(names, ["hello", "welcome"]);
    let before = site.show("hello");
    assert_eq!(before["routes"][0], "/hello");
    assert_eq!((&before["state"], &before["origin"]), (&"serving".into(), &"deployment".into()));
    let site = site.restart(&[]);
    assert!(site.text("/hello/x").contains("/hello/x"));
    assert_eq!(site.show("hello"), before);
}

#[test]
fn new_version_takes_over_and_rollback_takes_it_back() {
    let site = Site::new(&[]);
    for version in [1, 2] {
        site.deploy("app", &env(), &marked(version)).assert_ok();
        assert!(site.text("/app").contains(&format!("VERSION={version}")));
    }
    let versions = site.admin.get("/admin/handlers/app/versions").assert_ok().json();
    let roles: Vec<_> =
        versions["versions"].as_array().expect("a list").iter().map(|it| &it["role"]).collect();
    assert_eq!(roles, ["active", "previous"]);
    assert_eq!(versions["versions"][0]["settings"]["env"][0], "VERSION=…", "values may be secrets");
    site.post("app", "rollback", "").assert_ok();
    assert!(site.text("/app").contains("VERSION=1"));
    let second = versions["versions"][0]["id"].as_str().expect("a name");
    site.post("app", "rollback", &format!(r#"{{"version":"{}"}}"#, &second[..8])).assert_ok();
    assert!(site.text("/app").contains("VERSION=2"));
    let site = site.restart(&[]);
    assert!(site.text("/app").contains("VERSION=2"));
    site.post("app", "rollback", "").assert_ok();
    assert!(site.text("/app").contains("VERSION=1"), "also of what this process never served");
}

#[test]
fn what_is_active_already_is_no_change() {
    let site = Site::new(&[]);
    let first = site.deploy("app", &env(), &marked(1)).assert_ok().json();
    let again = site.deploy("app", &env(), &marked(1)).assert_ok().json();
    assert_eq!((&again["changed"], &again["handler"]), (&false.into(), &first["handler"]));
    site.post("app", "pause", r#"{"reason":"x"}"#).assert_ok();
    let paused = site.post("app", "pause", r#"{"reason":"x"}"#).assert_ok().json();
    assert_eq!(paused["changed"], false);
}

#[test]
fn paused_handler_answers_503_until_it_is_resumed() {
    let site = Site::new(&[]);
    site.deploy("app", &env(), &marked(1)).assert_ok();
    let paused = site.post("app", "pause", r#"{"reason":"maintenance"}"#).assert_ok().json();
    assert_eq!(
        (&paused["handler"]["state"], &paused["handler"]["paused"]),
        (&"paused".into(), &"maintenance".into())
    );
    let refused = site.server.client().get("/app");
    refused.assert_problem(503, "paused");
    assert_eq!(refused.header("retry-after"), "5");
    site.server.client().get("/").assert_ok();
    let site = site.restart(&[]);
    site.server.client().get("/app").assert_problem(503, "paused");
    site.post("app", "resume", "").assert_ok();
    site.text("/app");
}

#[test]
fn removed_handler_is_gone_with_its_versions() {
    let site = Site::new(&[]);
    site.deploy("app", &env(), &marked(1)).assert_ok();
    let removed = site.ask("DELETE", "/admin/handlers/app", &[], b"").assert_ok().json();
    assert_eq!(removed["name"], "app");
    site.admin.get("/admin/handlers/app").assert_problem(404, "no_such_handler");
    assert_eq!(site.server.client().get("/app").status, 404, "the welcome page has it now");
    let kept = |part: &str| {
        std::fs::read_dir(site.state.path().join("state").join(part)).expect("a directory").count()
    };
    assert_eq!((kept("components"), kept("versions")), (0, 0));
    site.ask("DELETE", "/admin/handlers/app", &[], b"").assert_problem(404, "no_such_handler");
}

#[test]
fn only_so_many_versions_are_kept() {
    let site = Site::new(&["--versions-kept", "3"]);
    for version in 0..6 {
        site.deploy("app", &env(), &marked(version)).assert_ok();
    }
    let versions = site.admin.get("/admin/handlers/app/versions").assert_ok().json();
    assert_eq!(versions["versions"].as_array().expect("a list").len(), 3);
    let files = std::fs::read_dir(site.state.path().join("state/versions")).expect("a directory").count();
    assert_eq!(files, 3);
}

#[test]
fn running_requests_finish_on_the_version_they_began_with() {
    let site = Site::new(&["--timeout", "20s"]);
    site.deploy("app", &guest("sse"), "{}").assert_ok();
    let mut stream = crate::harness::Connection::open(&site.server.client());
    stream.send("GET /app?events=40&pause=50 HTTP/1.1\r\nhost: x\r\n\r\n");
    let head = stream.head_of_answer().expect("a head");
    assert_eq!(head.status, 200);
    site.deploy("app", &env(), &marked(2)).assert_ok();
    assert!(site.text("/app").contains("VERSION=2"));
    assert!(!stream.chunk().expect("the stream goes on").is_empty());
    drop(stream);
    eventually("the old version is gone", || site.server.live_instances() == 0);
}

/// A version that cannot be served keeps nobody else from it, and is told of.
#[test]
fn damaged_version_does_not_keep_the_host_from_starting() {
    let site = Site::new(&[]);
    site.deploy("good", &env(), &marked(1)).assert_ok();
    site.deploy("bad", &guest("hello"), "{}").assert_ok();
    let digest = site.show("bad")["active"]["component"].as_str().expect("a digest").replace("sha256:", "");
    let Site { state, server, .. } = site;
    server.stop();
    let path = state.path().join(format!("state/components/{digest}.wasm"));
    let mut bytes = std::fs::read(&path).expect("a component");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).expect("a component");
    let server = serve(state.path(), &[]);
    server.log.wait_for(&["a deployed version cannot be served", "bad", "digest"]);
    let admin = server.admin();
    let site = Site { state, server, admin };
    assert!(site.text("/good").contains("VERSION=1"));
    let shown = site.show("bad");
    assert_eq!(shown["state"], "failed", "{shown}");
    assert!(shown["error"].as_str().expect("an error").contains("digest"), "{shown}");
    // The same component once more mends it.
    site.deploy("bad", &guest("hello"), "{}").assert_ok();
    assert_eq!(site.show("bad")["state"], "serving");
    assert!(site.text("/bad").contains("/bad"));
    site.restart(&[]).text("/bad");
}

#[test]
fn configured_and_deployed_handlers_are_served_side_by_side() {
    let state = private();
    let handlers = state.path().join("handlers");
    std::fs::create_dir(&handlers).expect("a directory");
    std::fs::copy(guest("hello"), handlers.join("hello.wasm")).expect("a component");
    let server = serve(state.path(), &[]);
    let admin = server.admin();
    let site = Site { state, server, admin };
    site.deploy("app", &env(), &marked(1)).assert_ok();
    assert!(site.text("/hello").contains("/hello"));
    assert!(site.text("/app").contains("VERSION=1"));
    // What the settings define is theirs.
    site.deploy("hello", &env(), "{}").assert_problem(409, "configured");
    site.ask("DELETE", "/admin/handlers/hello", &[], b"").assert_problem(409, "configured");
    let taken = site.deploy("other", &env(), r#"{"routes":["/hello"]}"#);
    taken.assert_problem(409, "route_conflict");
    let detail = taken.json()["detail"].to_string();
    assert!(detail.contains("other") && detail.contains("`hello`") && detail.contains("/hello"), "{detail}");
    // A change of what is configured is held against what is deployed.
    std::fs::copy(guest("hello"), site.state.path().join("handlers/app.wasm")).expect("a component");
    site.server.signal("HUP");
    site.server.log.wait_for(&["cannot reload", "two handlers `app`"]);
    assert!(site.text("/app").contains("VERSION=1"));
}

#[test]
fn start_with_a_conflict_is_refused_with_both_places() {
    let site = Site::new(&[]);
    site.deploy("app", &env(), &marked(1)).assert_ok();
    let Site { state, server, .. } = site;
    server.stop();
    std::fs::create_dir(state.path().join("handlers")).expect("a directory");
    std::fs::copy(guest("hello"), state.path().join("handlers/app.wasm")).expect("a component");
    let mut host = crate::harness::command();
    host.current_dir(state.path()).env("WASM_HOST_STATE", state.path().join("state"));
    let output = host.args(["--listen", "127.0.0.1:0"]).output().expect("the binary starts");
    let text = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(78), "{text}");
    assert!(text.contains("`app`") && text.contains("state") && text.contains("handlers/app.wasm"), "{text}");
}

#[test]
fn deployment_goes_through_the_hosts_middleware_like_everyone() {
    let auth = guest("auth");
    let site = Site::new(&["--middleware", &auth, "--env", "AUTH_TOKEN=secret"]);
    site.deploy("hello", &guest("hello"), "{}").assert_ok();
    assert_eq!(site.server.client().get("/hello").status, 401);
    let with = [("authorization", "Bearer secret")];
    site.server.client().send("GET", "/hello", &with, None).expect("an answer").assert_ok();
    let around = site.deploy("hello", &guest("hello"), r#"{"middleware":[]}"#);
    around.assert_problem(422, "bad_settings");
}

#[test]
fn deploy_is_for_those_who_know_the_token() {
    let state = private();
    let mut host = crate::harness::command();
    host.current_dir(state.path()).env("WASM_HOST_STATE", state.path().join("state"));
    host.env("WASM_HOST_ADMIN_TOKEN", "correct-horse-battery");
    host.args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    let server = crate::harness::Server::spawn(&mut host);
    let admin = server.admin();
    deploy(&admin, "app", &env(), "{}", &[]).assert_problem(401, "unauthorized");
    let wrong = [("authorization", "Bearer wrong-horse-battery")];
    deploy(&admin, "app", &env(), "{}", &wrong).assert_problem(401, "unauthorized");
    let page = [("origin", "https://evil.example"), ("authorization", "Bearer correct-horse-battery")];
    deploy(&admin, "app", &env(), "{}", &page).assert_problem(403, "forbidden");
    let right = [("authorization", "Bearer correct-horse-battery")];
    deploy(&admin, "app", &env(), "{}", &right).assert_ok();
    server.log.wait_for(&["audit", "deploy", "app", "done"]);
}
