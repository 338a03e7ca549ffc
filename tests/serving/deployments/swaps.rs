//! Row 95: versions change under load, and no request notices more than that the answer is another.

use super::{Site, env, marked};
use crate::harness::{Client, Connection, eventually, guest};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Instant;

/// How often versions change: more of it where the variable says so.
fn swaps() -> usize {
    std::env::var("WASM_HOST_TEST_SWAPS").ok().and_then(|text| text.parse().ok()).unwrap_or(30)
}

/// Asks on one connection until told to stop, and returns how many answers it had: each whole, and of
/// exactly one version.
fn ask_on(client: Client, path: &str, stop: &AtomicBool, seen: &AtomicU64) -> u64 {
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
    let mut connection = Connection::open(&client);
    let mut count = 0;
    while !stop.load(Relaxed) {
        assert!(connection.send(&request), "the host keeps the connection");
        let answer = connection.answer().expect("an answer");
        let text = answer.assert_ok().text();
        assert_eq!(text.matches("VERSION=").count(), 1, "{text}");
        count += 1;
        seen.fetch_add(1, Relaxed);
    }
    count
}

/// Deploys these versions while four clients ask, and returns how many answers they had.
fn swap_under_load(site: &Site, versions: RangeInclusive<usize>) -> u64 {
    let (stop, seen) = (AtomicBool::new(false), AtomicU64::new(0));
    let answers = std::thread::scope(|scope| {
        let clients: Vec<_> =
            (0..4).map(|_| scope.spawn(|| ask_on(site.server.client(), "/app", &stop, &seen))).collect();
        for version in versions {
            let before = seen.load(Relaxed);
            site.deploy("app", &env(), &marked(version)).assert_ok();
            assert!(site.text("/app").contains(&format!("VERSION={version}\n")));
            eventually("requests go on", || seen.load(Relaxed) > before);
        }
        stop.store(true, Relaxed);
        clients.into_iter().map(|client| client.join().expect("a client")).sum()
    });
    site.server.wait_idle();
    answers
}

#[test]
fn swaps_under_load_lose_no_request_and_leave_nothing_behind() {
    let site = Site::new(&["--instances", "64"]);
    site.deploy("app", &env(), &marked(0)).assert_ok();
    let swaps = swaps();
    let began = Instant::now();
    let first = swap_under_load(&site, 1..=swaps / 2);
    let early = site.server.holdings();
    let second = swap_under_load(&site, swaps / 2 + 1..=swaps);
    let (took, answers) = (began.elapsed(), first + second);
    // Threads and connections end a moment after what they were for.
    eventually("no more files and threads than before", || {
        let late = site.server.holdings();
        late.files <= early.files && late.threads <= early.threads
    });
    let late = site.server.holdings();
    println!("{swaps} swaps in {took:?}, {answers} answers; then {early:?}, now {late:?}");
    // A half of all swaps later; some of it is what the allocator keeps.
    let grown = late.resident_kib.saturating_sub(early.resident_kib);
    assert!(grown < 64 * 1024, "{grown} KiB more: {early:?} {late:?}");
}

/// Whatever the old version is at, it is gone soon after its last request.
#[test]
fn old_version_goes_with_its_last_request() {
    // Nothing but the end of the stream ends it while the test waits.
    let site = Site::new(&["--timeout", "10m"]);
    site.deploy("app", &guest("sse"), "{}").assert_ok();
    let mut stream = Connection::open(&site.server.client());
    stream.send("GET /app HTTP/1.1\r\nhost: x\r\n\r\n");
    assert_eq!(stream.head_of_answer().expect("a head").status, 200);
    for version in 1..=3 {
        site.deploy("app", &env(), &marked(version)).assert_ok();
    }
    let ended = Instant::now();
    drop(stream);
    site.server.wait_idle();
    println!("gone after {:?}", ended.elapsed());
    assert!(site.text("/app").contains("VERSION=3"));
}

/// A rollback reads and compiles nothing: what it goes to is in memory.
#[test]
fn rollback_needs_neither_the_component_nor_a_compiler() {
    let site = Site::new(&["--cache", "off"]);
    for version in [1, 2] {
        site.deploy("app", &env(), &marked(version)).assert_ok();
    }
    for entry in std::fs::read_dir(site.state.path().join("state/components")).expect("a directory") {
        std::fs::remove_file(entry.expect("an entry").path()).expect("a component");
    }
    let began = Instant::now();
    site.post("app", "rollback", "").assert_ok();
    println!("a rollback in {:?}", began.elapsed());
    assert!(site.text("/app").contains("VERSION=1"));
    site.post("app", "rollback", "").assert_ok();
    assert!(site.text("/app").contains("VERSION=2"));
}
