//! What code is compiled for: handlers that turn out to compute are compiled anew for that, out of what the cache
//! keeps of them, and answer all the while.

use super::clients::ask;
use super::harness::{Server, eventually, guest};
use super::{Trial, alone};
use std::fs;
use tempfile::TempDir;

/// What the log says of a handler that has code for computing now.
const TUNED: &str = "handler computes: its next instances run code made for that";
/// And of one that stays as it is.
const UNTUNED: &str = "handler computes, and goes on with the code it has";

fn temporary() -> TempDir {
    tempfile::tempdir().expect("temporary directory")
}

/// Has the handler compute until the log has a line with `text`; every answer is the same. Returns that line.
#[track_caller]
fn compute_until(server: &Server, text: &str) -> String {
    let first = server.client().get("/hash").assert_ok().text();
    assert!(first.starts_with("hashed "), "{first}");
    eventually(text, || {
        assert_eq!(server.client().get("/hash").assert_ok().text(), first);
        !server.log.lines_with(text).is_empty()
    });
    for path in ["/sort", "/json", "/resize", "/"] {
        server.client().get(path).assert_ok();
    }
    assert_eq!(server.client().get("/hash").assert_ok().text(), first);
    server.log.lines_with(text).swap_remove(0)
}

#[test]
fn handler_that_computes_is_compiled_for_that_while_it_answers() {
    let _alone = alone();
    let cache = temporary();
    let directory = cache.path().to_str().expect("UTF-8");
    // Compiled at the first start, found in the cache by the second.
    for _ in 0..2 {
        let settings = ["--cache", directory, "--code-profile", "auto"];
        let trial = Trial::begin(&guest("compute"), &settings);
        println!("{}", compute_until(&trial.server, TUNED));
        trial.end();
    }
}

/// What is kept of a component is compared with its digest before it is compiled again.
#[test]
fn component_that_was_changed_in_the_cache_is_not_compiled() {
    let _alone = alone();
    let cache = temporary();
    let directory = cache.path().to_str().expect("UTF-8");
    let server = Server::start(&guest("compute"), &["--cache", directory, "--code-profile", "auto"]);
    let files = fs::read_dir(cache.path()).expect("a directory").map(|entry| entry.expect("an entry").path());
    let kept: Vec<_> = files.filter(|path| path.extension().is_some_and(|it| it == "component")).collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
    fs::copy(guest("hello"), &kept[0]).expect("another component");
    println!("{}", compute_until(&server, UNTUNED));
    server.stop();
}

/// There are places for 256 instances that run code for computing: those beyond run the other, and no request is refused.
#[test]
fn more_instances_than_places_for_computing_are_served() {
    let _alone = alone();
    let settings = ["--code-profile", "compute", "--instances", "400", "--queue", "0", "--timeout", "5m"];
    let trial = Trial::begin(&guest("wild"), &settings);
    // Whether the processor looked, which knows the address, in each of so many traps.
    let by_processor = |traps: usize| {
        trial.get("/?beyond=0").assert_problem(500, "guest_trap");
        let told = || trial.server.log.lines_with("out of bounds memory access").len();
        eventually("the trap to be told", || told() == traps);
        trial.server.log.lines_with("memory fault at wasm address").len()
    };
    assert_eq!(by_processor(1), 1);
    let asleep: Vec<_> = (0..300).map(|_| ask(&trial, "/?within&ms=300000")).collect();
    eventually("all of them to live", || trial.server.live_instances() == 300);
    assert_eq!(by_processor(2), 1, "there is no place: its own code looks");
    drop(asleep);
    trial.server.wait_idle();
    assert_eq!(by_processor(3), 2);
    trial.end();
}

#[test]
fn without_a_cache_a_handler_stays_as_it_is_and_the_log_says_what_helps() {
    let _alone = alone();
    let server = Server::start(&guest("compute"), &["--cache", "off", "--code-profile", "auto"]);
    let line = compute_until(&server, UNTUNED);
    assert!(line.contains("`code-profile` set to `compute`"), "{line}");
    server.stop();
    let server = Server::start(&guest("compute"), &["--cache", "off", "--code-profile", "compute"]);
    server.client().get("/hash").assert_ok();
    server.stop();
}
