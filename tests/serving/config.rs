//! Settings from every layer, and what is said about wrong ones: all of it at once, each with its
//! place and its fix, before anything is bound.

use crate::harness::{Server, command, guest};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;
use wasm_host::config::SETTINGS;

const USAGE: i32 = 64;
const CONFIGURATION: i32 = 78;

/// A working directory with this settings file.
fn directory_with(settings: &str) -> TempDir {
    let directory = tempfile::tempdir().expect("temporary directory");
    std::fs::write(directory.path().join("wasm-host.toml"), settings).expect("settings");
    directory
}

fn host_in(directory: &Path) -> Command {
    let mut host = command();
    host.current_dir(directory);
    host
}

/// The text with which `host` refuses to start.
#[track_caller]
fn refused(host: &mut Command, code: i32) -> String {
    let output = host.output().expect("the binary starts");
    let text = String::from_utf8(output.stderr).expect("messages are UTF-8");
    assert_eq!(output.status.code(), Some(code), "{text}");
    text
}

#[track_caller]
fn assert_every_line(text: &str, expected: &[&str]) {
    for line in expected {
        assert!(text.lines().any(|found| found == *line), "missing: {line}\n{text}");
    }
    assert_eq!(text.lines().count(), expected.len(), "{text}");
}

/// Row 107: file and environment are reported together, in their order, and nothing else is said.
#[test]
fn every_mistake_is_reported_with_its_place_and_its_fix() {
    let directory = directory_with(
        "# A settings file with a mistake on almost every line.\n\
         instances = 0\n\
         timeout = 30\n\
         queue-timeout = \"1s\"\n  \
           memory = true\n\
         colour = \"red\"\n\
         allow-outbound = [\"api.example.com:443\", \"http://api.example.com\"]\n",
    );
    let text = refused(host_in(directory.path()).env("WASM_HOST_QUEUE", "many"), CONFIGURATION);
    println!("{text}");
    let starts = [
        "error: environment: `WASM_HOST_QUEUE` is \"many\": expected a whole number",
        "error: wasm-host.toml:2:13: `instances` is 0: expected a whole number from 1 to 100000, or `auto`",
        "error: wasm-host.toml:3:11: `timeout` is 30: expected a duration with its unit",
        "error: wasm-host.toml:5:12: `memory` is a truth value",
        "error: wasm-host.toml:6:1: unknown key \"colour\"",
        "error: wasm-host.toml:7:42: `allow-outbound` is \"http://api.example.com\"",
        "error: 6 mistakes, nothing was started",
    ];
    let errors: Vec<_> = text.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(errors.len(), starts.len(), "{text}");
    for (error, start) in errors.iter().zip(starts) {
        assert!(error.starts_with(start), "{error}\n{start}");
    }
    let fixes: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("  fix: ")).collect();
    assert_eq!(fixes.len(), 6, "{text}");
    for fix in ["write `timeout = \"30s\"`", "write `allow-outbound = [\"api.example.com:80\"]`"] {
        assert!(fixes.contains(&fix), "{fix}: {fixes:?}");
    }
}

/// Row 107: the address in the same settings is taken, and still it is the mistake that is told.
#[test]
fn mistakes_are_found_before_anything_is_bound() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address");
    let directory = directory_with(&format!("listen = \"{address}\"\nthreads = \"all\"\n"));
    let text = refused(&mut host_in(directory.path()), CONFIGURATION);
    assert!(text.contains("wasm-host.toml:2:11: `threads`") && !text.contains("cannot listen"), "{text}");
}

/// Row 107: a file that cannot be parsed says where, and what else is wrong in it.
#[test]
fn broken_line_does_not_hide_the_other_mistakes() {
    let directory = directory_with("instances = = 3\nqueue = 5\nqueue = 6\nmemory = \"0\"\n");
    let text = refused(&mut host_in(directory.path()), CONFIGURATION);
    for place in ["wasm-host.toml:1:", "wasm-host.toml:3:1: duplicate key", "wasm-host.toml:4:10: `memory`"] {
        assert!(text.contains(place), "{place}: {text}");
    }
}

/// Row 107: in every layer, every setting has its own message.
#[test]
fn no_layer_accepts_nonsense_for_any_setting() {
    // Any text names a directory or a file, and variables are the handler's own affair.
    let free =
        ["cache", "env", "middleware", "require-signature", "state", "tls-cert", "tls-key", "tls-client-ca"];
    let checked = || SETTINGS.iter().filter(|setting| !free.contains(&setting.name));
    let nonsense = "no sense!";
    let mut from_environment = command();
    let mut file = String::new();
    for setting in checked() {
        let variable = setting.environment().expect("a variable for each");
        from_environment.env(variable, nonsense);
        file.push_str(&format!("{} = \"{nonsense}\"\n", setting.name));
        let text = refused(command().args([format!("--{}", setting.name).as_str(), nonsense]), USAGE);
        assert!(text.contains(setting.name) && text.contains("expected"), "{text}");
    }
    let directory = directory_with(&file);
    let by_environment = refused(&mut from_environment, CONFIGURATION);
    let by_file = refused(&mut host_in(directory.path()), CONFIGURATION);
    for (number, setting) in checked().enumerate() {
        let variable = setting.environment().expect("a variable for each");
        assert!(by_environment.contains(&format!("environment: `{variable}` is")), "{by_environment}");
        let place = format!("wasm-host.toml:{}:{}: `{}`", number + 1, setting.name.len() + 4, setting.name);
        assert!(by_file.contains(&place), "{place}: {by_file}");
    }
    let count = format!("error: {} mistakes, nothing was started", checked().count());
    assert!(by_environment.contains(&count) && by_file.contains(&count), "{by_file}");
}

#[test]
fn named_file_must_exist_and_be_text() {
    let directory = directory_with("");
    let missing = refused(host_in(directory.path()).args(["--config", "site.toml"]), CONFIGURATION);
    assert!(missing.contains("site.toml: cannot be read"), "{missing}");
    let binary = refused(command().args(["--config", &guest("hello")]), CONFIGURATION);
    assert!(binary.contains("hello.wasm: the file is not UTF-8"), "{binary}");
    assert_eq!(binary.matches("error: ").count(), 1, "{binary}");
}

#[test]
fn more_concurrency_than_instances_is_a_contradiction() {
    let directory = directory_with("instances = 4\nconcurrency = 8\n");
    let text = refused(&mut host_in(directory.path()), CONFIGURATION);
    let lines = [
        "error: wasm-host.toml:2:15: `concurrency` is 8, which is more than `instances` (4)",
        "  fix: write `concurrency = 4`, or raise `instances`",
    ];
    assert_every_line(&text, &lines);
}

#[test]
fn flag_beats_environment_beats_file_beats_default() {
    let layers: [(&str, Option<&str>, &[&str], u64); 4] = [
        ("", None, &[], 1000),
        ("instances = 3\n", None, &[], 3),
        ("instances = 3\n", Some("5"), &[], 5),
        ("instances = 3\n", Some("5"), &["--instances", "7"], 7),
    ];
    for (file, environment, flags, expected) in layers {
        let directory = directory_with(file);
        let server = Server::start_with(&guest("hello"), flags, |host| {
            host.current_dir(&directory);
            if let Some(instances) = environment {
                host.env("WASM_HOST_INSTANCES", instances);
            }
        });
        assert_eq!(
            server.client().get("/ready").json()["instances"]["max"],
            expected,
            "{file}{environment:?}"
        );
    }
}

#[test]
fn file_names_the_component_and_everything_else() {
    let directory = directory_with(
        "component = \"app.wasm\"\nlisten = \"127.0.0.1:0\"\ninstances = 2\n[env]\nGREETING = \"moin\"\n",
    );
    std::fs::copy(guest("env"), directory.path().join("app.wasm")).expect("component");
    // Relative to the file, wherever the host was started.
    let file = directory.path().join("wasm-host.toml");
    let server = Server::spawn(command().arg("--config").arg(&file));
    let answer = server.client().get("/");
    assert!(answer.assert_ok().text().contains("environment 1\n  GREETING=moin\n"), "{}", answer.text());
    server.log.wait_for(&["request", "handler=\"app\""]);
    drop(server);
    // The usual file of the working directory needs no naming.
    let server = Server::spawn(&mut host_in(directory.path()));
    assert!(server.client().get("/").assert_ok().text().contains("GREETING=moin"));
}

#[test]
fn misspelled_variable_is_told_in_the_log() {
    let server = Server::start_with(&guest("hello"), &[], |host| {
        host.env("WASM_HOST_INSTANCSE", "8");
    });
    server.log.wait_for(&["WARN", "`WASM_HOST_INSTANCSE` is ignored: did you mean `WASM_HOST_INSTANCES`?"]);
    server.client().get("/").assert_ok();
}
