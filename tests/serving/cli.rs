//! How the program starts, and how it refuses to: each mistake with its own message and exit code.

use crate::harness::{Server, command, guest, run};
use std::net::TcpListener;
use std::process::{Command, Output};
use wasm_host::config::SETTINGS;

const USAGE: i32 = 64;
const CONFIGURATION: i32 = 78;
const OTHER: i32 = 1;

/// The refusal's text, which nothing else accompanies.
#[track_caller]
fn refused(output: &Output, code: i32) -> String {
    let text = String::from_utf8(output.stderr.clone()).expect("messages are UTF-8");
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(output.stdout.is_empty(), "standard output is for answers");
    assert!(text.starts_with("error: "), "{text}");
    assert!(!text.contains("Serving HTTP") && !text.contains("panicked"), "{text}");
    text
}

#[test]
fn instances_alone_serves_the_welcome_page() {
    let mut host = command();
    // The port comes from the environment, for the arguments to be these and no others.
    host.args(["--instances", "8"]).env("WASM_HOST_LISTEN", "127.0.0.1:0");
    let server = Server::spawn(&mut host);
    let page = server.client().get("/");
    page.assert_ok();
    assert!(page.header("content-type").starts_with("text/html"), "{page:?}");
    assert!(page.text().contains("wasm-host"), "{}", page.text());
    assert_eq!(server.client().get("/ready").json()["instances"]["max"], 8);
    server.stop();
}

#[test]
fn help_lists_every_setting_on_standard_output() {
    for arguments in [&["--help"][..], &["serve", "--help"]] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(0));
        assert!(output.stderr.is_empty());
        let help = String::from_utf8(output.stdout).expect("UTF-8");
        for setting in SETTINGS {
            assert!(help.contains(&format!("--{} <{}>", setting.name, setting.value)), "{}", setting.name);
        }
        println!("{} settings in {} lines of help", SETTINGS.len(), help.lines().count());
    }
}

#[test]
fn version_is_told() {
    let output = run(&["--version"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(output.stdout, format!("wasm-host {}\n", env!("CARGO_PKG_VERSION")).as_bytes());
}

#[test]
fn zero_instances_are_a_usage_error() {
    let text = refused(&run(&["--instances", "0"]), USAGE);
    assert!(text.contains("--instances") && text.contains("from 1 to 100000"), "{text}");
}

#[test]
fn unknown_flag_is_a_usage_error_that_names_the_likely_one() {
    let text = refused(&run(&["--instancse", "8"]), USAGE);
    assert!(text.contains("--instancse") && text.contains("'--instances'"), "{text}");
}

#[test]
fn unknown_key_is_a_configuration_error_that_names_the_likely_one() {
    let directory = tempfile::tempdir().expect("temporary directory");
    std::fs::write(directory.path().join("wasm-host.toml"), "instancse = 8\n").expect("settings");
    let output = command().current_dir(&directory).output().expect("the binary starts");
    let text = refused(&output, CONFIGURATION);
    assert!(text.starts_with("error: wasm-host.toml:1:1: unknown key \"instancse\"\n"), "{text}");
    assert!(text.contains("fix: did you mean `instances`?"), "{text}");
}

#[test]
fn busy_port_is_neither_a_usage_nor_a_configuration_error() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    let text = refused(&run(&[&guest("hello"), "--listen", &address]), OTHER);
    assert!(text.contains(&address) && text.contains("in use") && text.contains("--listen"), "{text}");
}

/// A loop of links, since a superuser can read every file there is.
#[test]
fn unreadable_component_is_a_configuration_error() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path().join("loop.wasm");
    std::os::unix::fs::symlink(&path, &path).expect("a link to itself");
    let path = path.to_str().expect("UTF-8");
    let text = refused(&run(&[path]), CONFIGURATION);
    assert!(text.contains(path) && text.contains("cannot be read"), "{text}");
}

#[test]
fn missing_component_is_a_configuration_error() {
    let text = refused(&run(&["/nowhere/app.wasm"]), CONFIGURATION);
    assert!(text.contains("/nowhere/app.wasm: no such file"), "{text}");
}

#[test]
fn directory_without_a_component_is_a_configuration_error() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path().to_str().expect("UTF-8");
    let text = refused(&run(&[path]), CONFIGURATION);
    assert!(text.contains(path) && text.contains("holds no component"), "{text}");
}

#[test]
fn second_component_is_a_usage_error() {
    let text = refused(&run(&["one.wasm", "two.wasm"]), USAGE);
    assert!(text.contains("two.wasm"), "{text}");
}

/// The binary below a limit on its address space, as a shell sets it.
fn below_8_gb(arguments: &[&str]) -> Command {
    let binary = command();
    let mut shell = Command::new("sh");
    shell.env("WASM_HOST_ADMIN", "off");
    shell.args(["-c", "ulimit -v 8000000; exec \"$0\" \"$@\""]).arg(binary.get_program()).args(arguments);
    shell
}

/// Row 24: the pool's need is compared with RLIMIT_AS before it is mapped.
#[test]
fn too_little_address_space_is_named_with_what_is_needed() {
    let hello = guest("hello");
    let output = below_8_gb(&[&hello, "--listen", "127.0.0.1:0"]).output().expect("sh");
    let text = refused(&output, OTHER);
    assert_eq!(text.lines().count(), 1, "{text}");
    for part in ["1000 instances", "RLIMIT_AS", "ulimit -v", "--instances", "--memory", "7.6 GiB"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    println!("{text}");
}

/// Row 24: the same limit is enough for less.
#[test]
fn small_pool_fits_into_little_address_space() {
    let hello = guest("hello");
    let small = ["--listen", "127.0.0.1:0", "--instances", "16", "--memory", "16MiB"];
    let server = Server::spawn(&mut below_8_gb(&[&[hello.as_str()], &small[..]].concat()));
    for _ in 0..20 {
        server.client().get("/").assert_ok();
    }
    server.stop();
    let computing = [&[hello.as_str()], &small[..], &["--code-profile", "compute"]].concat();
    let text = refused(&below_8_gb(&computing).output().expect("sh"), CONFIGURATION);
    for part in ["code for computing", "`code-profile`", "`latency`"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}
