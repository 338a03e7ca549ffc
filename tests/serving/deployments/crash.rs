//! Rows 96 and 97: the process is killed in the middle of a deployment, or the disk is full. What is served then is
//! the old or the new version, and what is kept is whole.

use super::{Site, ask, deploy, env, marked, private, serve};
use crate::harness::{Server, command, eventually, guest};
use std::path::Path;
use std::time::{Duration, Instant};
use wasm_host::deploy::{Opened, Store, StoreError};

/// How often the host is killed: more of it where the variable says so.
fn kills() -> u64 {
    std::env::var("WASM_HOST_TEST_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(20)
}

#[test]
fn killed_in_a_deployment_the_host_comes_back_with_the_old_or_the_new_version() {
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    let state = private();
    let mut served = 0;
    let (mut old, mut new) = (0, 0);
    let mut server = serve(state.path(), &[]);
    deploy(&server.admin(), "app", &env(), &marked(0), &[]).assert_ok();
    for round in 1..=kills() {
        let admin = server.admin();
        // Anywhere in the time that a deployment takes.
        let random = (seed ^ round).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        let pause = Duration::from_micros(random % 60_000);
        let began = Instant::now();
        let deploying = std::thread::spawn(move || {
            let bytes = std::fs::read(env()).expect("a component");
            let path = format!("/admin/handlers/app?settings={}", super::escaped(&marked(round)));
            let sent = admin.send("PUT", &path, &[("content-type", "application/wasm")], Some(&bytes));
            sent.is_ok_and(|answer| answer.status == 200)
        });
        while began.elapsed() < pause {
            std::thread::yield_now();
        }
        server.signal("KILL");
        server.wait();
        let confirmed = deploying.join().expect("a client");
        let Opened { store, manifest, .. } = reopen(state.path());
        let damages = store.verify(&manifest);
        assert!(damages.is_empty(), "round {round}: {damages:?}");
        drop(store);
        server = serve(state.path(), &[]);
        let text = server.client().get("/app").assert_ok().text();
        let is = |version: u64| text.contains(&format!("VERSION={version}\n"));
        assert!(is(round) || (!confirmed && is(served)), "round {round}, confirmed {confirmed}: {text}");
        if is(round) {
            (served, new) = (round, new + 1);
        } else {
            old += 1;
        }
    }
    println!("killed {} times: {old} times the old version came back, {new} times the new one", kills());
}

/// Opens the store of a host that was killed, once the system has let go of its lock, too.
#[track_caller]
fn reopen(state: &Path) -> Opened {
    let mut opened = None;
    eventually("the store is free", || match Store::open(&state.join("state")) {
        Ok(found) => {
            opened = Some(found);
            true
        }
        Err(StoreError::InUse { .. }) => false,
        Err(error) => panic!("{error}"),
    });
    opened.expect("just opened")
}

/// Row 97: without room nothing changes, and serving goes on.
#[test]
fn full_disk_refuses_a_deployment_and_nothing_else() {
    let state = private();
    let host = command();
    // No file may be larger than some MiB, and the signal that says so is ignored: like a full disk.
    let mut limited = std::process::Command::new("sh");
    let line = "trap '' XFSZ; ulimit -f 8192; exec \"$0\" \"$@\"";
    limited.args(["-c", line]).arg(host.get_program());
    limited.args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--cache", "off"]);
    limited.current_dir(state.path()).env("WASM_HOST_STATE", state.path().join("state"));
    let server = Server::spawn(&mut limited);
    let admin = server.admin();
    let wasm = [("content-type", "application/wasm")];
    let large = padded(&std::fs::read(guest("hello")).expect("a component"), 12 * 1024 * 1024);
    ask(&admin, "PUT", "/admin/handlers/app", &wasm, &large).assert_problem(507, "no_space");
    admin.get("/admin/handlers/app").assert_problem(404, "no_such_handler");
    server.client().get("/").assert_ok();
    let files =
        |part: &str| std::fs::read_dir(state.path().join("state").join(part)).expect("a directory").count();
    assert_eq!((files("components"), files("versions")), (0, 0), "nothing is left behind");
    deploy(&admin, "app", &guest("hello"), "{}", &[]).assert_ok();
    server.client().get("/app").assert_ok();
}

/// The same component with a section of its own that means nothing, of this many bytes.
fn padded(component: &[u8], bytes: usize) -> Vec<u8> {
    let mut size = bytes + 1;
    let mut length = Vec::new();
    while size >= 0x80 {
        length.push(u8::try_from(size & 0x7f).expect("seven bits") | 0x80);
        size >>= 7;
    }
    length.push(u8::try_from(size).expect("seven bits"));
    [component, &[0], &length, &vec![0; bytes + 1]].concat()
}

/// What is written down of a version is written before it answers: a restart has what was confirmed.
#[test]
fn confirmed_changes_survive_a_kill() {
    let mut site = Site::new(&[]);
    for version in 1..=3 {
        site.deploy("app", &env(), &marked(version)).assert_ok();
        site.post("app", "pause", "").assert_ok();
        site.server.signal("KILL");
        site.server.wait();
        drop(reopen(site.state.path()));
        site.server = serve(site.state.path(), &[]);
        site.admin = site.server.admin();
        site.server.client().get("/app").assert_problem(503, "paused");
        site.post("app", "resume", "").assert_ok();
        assert!(site.text("/app").contains(&format!("VERSION={version}")));
    }
}
