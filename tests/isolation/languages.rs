//! Handlers of every language. Those with a whole engine in them keep every core at work while they are compiled,
//! so no other test runs meanwhile.

use crate::alone;
use crate::harness::{Server, guest};
use std::path::Path;
use std::time::{Duration, Instant};

#[test]
fn hello_of_every_language_answers() {
    let _alone = alone();
    for name in ["hello", "hello3", "hello-js", "hello-py", "hello-py3"] {
        let server = Server::start(&guest(name), &[]);
        for path in ["/", "/world?q=1"] {
            let answer = server.client().get(path);
            assert_eq!(answer.assert_ok().text().trim_end(), format!("Hello from {path}"), "{name}");
        }
        println!("{name}: {:?} for a request", server.client().get("/").took);
        server.stop();
    }
}

/// A start of a component with its whole engine in it, until the first line.
fn start_of_javascript(cache: &Path) -> Duration {
    let began = Instant::now();
    let cache = cache.to_str().expect("UTF-8");
    let server = Server::start(&guest("hello-js"), &["--cache", cache]);
    let took = began.elapsed();
    server.client().get("/").assert_ok();
    server.stop();
    took
}

#[test]
fn second_start_of_javascript_takes_less_than_a_second() {
    let _alone = alone();
    let cache = tempfile::tempdir().expect("temporary directory");
    let cold = start_of_javascript(cache.path());
    // The best of three, as other programs may use this machine, too.
    let warm = (0..3).map(|_| start_of_javascript(cache.path())).min().expect("three starts");
    println!("start of hello-js: {cold:?} without a cache, {warm:?} with it");
    assert!(warm < Duration::from_secs(1), "{warm:?}");
    assert!(warm < cold, "{warm:?} {cold:?}");
}
