//! A host with a thousand handlers: it starts in seconds, and serves the last as it serves the first.

use super::private;
use crate::harness::{Server, command, guest};
use std::path::Path;
use std::time::{Duration, Instant};

const HANDLERS: usize = 1000;

#[track_caller]
fn start(directory: &Path) -> (Server, Duration) {
    let mut host = command();
    host.current_dir(directory).args(["--listen", "127.0.0.1:0", "--cache"]).arg(directory.join("cache"));
    let began = Instant::now();
    let server = Server::spawn(&mut host);
    (server, began.elapsed())
}

#[test]
fn thousand_handlers_start_from_a_warm_cache() {
    let directory = private();
    let handlers = directory.path().join("handlers");
    std::fs::create_dir(&handlers).expect("a directory");
    for number in 0..HANDLERS {
        std::fs::copy(guest("hello"), handlers.join(format!("h{number}.wasm"))).expect("a component");
    }
    let (cold, first) = start(directory.path());
    cold.stop();
    let (server, warm) = start(directory.path());
    assert_eq!(server.client().get("/ready").json()["handlers"], HANDLERS);
    for number in [0, HANDLERS / 2, HANDLERS - 1] {
        let path = format!("/h{number}/x");
        assert!(server.client().get(&path).assert_ok().text().contains(&path));
    }
    let resident = server.holdings().resident_kib;
    println!("{HANDLERS} handlers: {first:?} cold, {warm:?} warm, {} KiB each", resident / HANDLERS);
    // This is a build for tests, on a machine that others share: the bound only tells that it hangs.
    assert!(warm < Duration::from_secs(120), "{warm:?}");
}
