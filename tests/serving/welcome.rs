//! The built-in handler: its page and its JSON, and that the built component in the tree is what a
//! rebuild of its source gives.

use crate::harness::{Answer, Server, command, guest, workspace};

/// What the component may weigh; every start carries it.
const BYTES_MAX: u64 = 200_000;

fn welcome(arguments: &[&str]) -> Server {
    Server::spawn(command().args(["--listen", "127.0.0.1:0"]).args(arguments))
}

#[track_caller]
fn json(server: &Server) -> serde_json::Value {
    let answer = server.client().send("GET", "/", &[("accept", "application/json")], None);
    answer.expect("an answer").assert_ok().json()
}

#[test]
fn page_shows_the_settings_in_force() {
    let settings =
        ["--instances", "8", "--concurrency", "3", "--timeout", "2s", "--memory", "32MiB", "--threads", "2"];
    let server = welcome(&settings);
    let page = server.client().get("/").assert_ok().text();
    let facts = json(&server);
    println!("{facts}");
    for (key, value) in
        [("instances", "8"), ("concurrency", "3"), ("timeout", "2s"), ("threads", "2"), ("instance", "2")]
    {
        assert_eq!(facts[key], value, "{facts}");
    }
    for value in ["2s", "32.0 MiB", env!("CARGO_PKG_VERSION")] {
        assert!(page.contains(value), "{value}: {page}");
    }
    assert!(!page.contains("unknown"), "{page}");
}

#[test]
fn every_request_has_an_instance_of_its_own() {
    let server = welcome(&[]);
    let numbers: Vec<_> = (0..5).map(|_| json(&server)["instance"].clone()).collect();
    assert_eq!(numbers, ["1", "2", "3", "4", "5"]);
}

#[test]
fn unknown_paths_and_methods_are_the_handlers_own_errors() {
    let server = welcome(&[]);
    let client = server.client();
    assert_eq!(client.get("/nowhere").status, 404);
    assert_eq!(client.post("/", b"x").status, 405);
    let head = client.send("HEAD", "/", &[], None).expect("an answer");
    assert_eq!((head.status, head.body.len(), head.broken), (200, 0, false));
}

/// What a client sees of an answer, without what is different for every request.
fn seen(answer: &Answer) -> (u16, Vec<(String, String)>, String) {
    let varying = |name: &str| ["date", "x-request-id"].contains(&name);
    let headers = answer.headers.iter().filter(|(name, _)| !varying(name.as_str()));
    let headers = headers.map(|(name, value)| (name.to_string(), format!("{value:?}"))).collect();
    (answer.status, headers, answer.text())
}

#[test]
fn component_in_the_tree_does_what_a_rebuild_does() {
    let kept = workspace().join("guest/welcome/welcome.wasm").into_os_string().into_string().expect("UTF-8");
    let rebuilt = guest("welcome");
    for path in [&kept, &rebuilt] {
        let bytes = std::fs::metadata(path).expect("component").len();
        println!("{path}: {bytes} bytes");
        assert!(bytes < BYTES_MAX, "{path}: {bytes} bytes");
    }
    // Served as any other component it is told only what it is granted: the same for both.
    let granted = ["--env", "WASM_HOST_VERSION=1.2.3", "--env", "WASM_HOST_INSTANCE=7"];
    let (kept, rebuilt) = (Server::start(&kept, &granted), Server::start(&rebuilt, &granted));
    let (kept, rebuilt) = (kept.client(), rebuilt.client());
    let json = [("accept", "application/json")];
    for (method, path, headers) in [
        ("GET", "/", &[][..]),
        ("GET", "/", &json),
        ("HEAD", "/", &[]),
        ("PUT", "/", &[]),
        ("GET", "/x", &[]),
    ] {
        let answers =
            [kept, rebuilt].map(|client| client.send(method, path, headers, None).expect("an answer"));
        assert_eq!(seen(&answers[0]), seen(&answers[1]), "{method} {path}");
    }
    assert!(kept.get("/").text().contains("1.2.3"));
}
