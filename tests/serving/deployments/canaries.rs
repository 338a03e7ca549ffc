//! Versions that are tried with a share of the requests: as many as was said, given up when they fail, and promoted
//! without a loss.

use super::{Site, ask, env, escaped, marked};
use crate::harness::{Answer, Connection, eventually, guest};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Tries a component with a part of the requests.
fn canary(site: &Site, component: &str, settings: &str, percent: u8, tester: &str) -> Answer {
    let bytes = std::fs::read(component).expect("a component");
    let mut query = format!("settings={}&percent={percent}", escaped(settings));
    if !tester.is_empty() {
        query += &format!("&tester={}", escaped(tester));
    }
    let wasm = [("content-type", "application/wasm")];
    ask(&site.admin, "POST", &format!("/admin/handlers/app/canary?{query}"), &wasm, &bytes)
}

/// How many of `count` requests, on four connections, the second version had.
fn shared(site: &Site, count: usize) -> usize {
    let one = || {
        let mut connection = Connection::open(&site.server.client());
        let mut second = 0;
        for _ in 0..count / 4 {
            connection.send("GET /app HTTP/1.1\r\nhost: x\r\n\r\n");
            let text = connection.answer().expect("an answer").assert_ok().text();
            second += usize::from(text.contains("VERSION=2\n"));
        }
        second
    };
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4).map(|_| scope.spawn(one)).collect();
        clients.into_iter().map(|client| client.join().expect("a client")).sum()
    })
}

#[test]
fn canary_gets_its_share_and_promotion_loses_no_request() {
    let site = Site::new(&[]);
    site.deploy("app", &env(), &marked(1)).assert_ok();
    let tried = canary(&site, &env(), &marked(2), 10, "").assert_ok().json();
    assert_eq!(tried["handler"]["canary"]["percent"], 10, "{tried}");
    let second = shared(&site, 10_000);
    println!("a canary at 10 % had {second} of 10,000 requests");
    assert!((800..=1200).contains(&second), "{second}");
    let seen = || site.show("app")["canary"]["requests"].as_u64().expect("a number");
    // A request is counted when the last of it is gone.
    eventually("every one is counted", || seen() == second as u64);
    site.deploy("app", &env(), &marked(3)).assert_problem(409, "canary_running");
    let stop = AtomicBool::new(false);
    let asked: usize = std::thread::scope(|scope| {
        let client = || {
            let mut connection = Connection::open(&site.server.client());
            let mut count = 0;
            while !stop.load(Relaxed) {
                connection.send("GET /app HTTP/1.1\r\nhost: x\r\n\r\n");
                connection.answer().expect("an answer").assert_ok();
                count += 1;
            }
            count
        };
        let clients: Vec<_> = (0..4).map(|_| scope.spawn(client)).collect();
        site.post("app", "promote", "").assert_ok();
        for _ in 0..50 {
            assert!(site.text("/app").contains("VERSION=2\n"));
        }
        stop.store(true, Relaxed);
        clients.into_iter().map(|client| client.join().expect("a client")).sum()
    });
    println!("promoted under {asked} requests");
    assert_eq!(site.show("app")["canary"], serde_json::Value::Null);
    site.post("app", "rollback", "").assert_ok();
    assert!(site.text("/app").contains("VERSION=1\n"));
}

#[test]
fn canary_that_fails_is_rolled_back_by_itself() {
    // Neither the window nor the time that a trial may take is to end on a slow machine.
    let site = Site::new(&["--canary-window", "10m", "--canary-min-requests", "5"]);
    for component in ["trap", "sleep"] {
        site.deploy("app", &env(), &marked(1)).assert_ok();
        canary(&site, &guest(component), r#"{"timeout":"2s"}"#, 50, "").assert_ok();
        let client = site.server.client();
        let (mut failed, mut asked) = (0, 0);
        eventually("the canary is rolled back", || {
            asked += 1;
            failed += u32::from(client.get("/app").status >= 500);
            site.show("app")["canary"].is_null()
        });
        println!("{component}: rolled back after {failed} failures of {asked} requests");
        assert!(failed >= 5, "as many as are asked for");
        site.server.log.wait_for(&["canary rolled back", "app"]);
        for _ in 0..20 {
            assert!(site.text("/app").contains("VERSION=1\n"));
        }
    }
}

#[test]
fn tester_meets_the_canary_and_others_do_not() {
    let site = Site::new(&[]);
    site.deploy("app", &env(), &marked(1)).assert_ok();
    canary(&site, &env(), &marked(2), 0, "header x-canary=yes").assert_ok();
    let client = site.server.client();
    for _ in 0..20 {
        let tester = client.send("GET", "/app", &[("x-canary", "yes")], None).expect("an answer");
        assert!(tester.assert_ok().text().contains("VERSION=2\n"));
        assert!(site.text("/app").contains("VERSION=1\n"));
    }
    let site = site.restart(&[]);
    let client = site.server.client();
    let tester = client.send("GET", "/app", &[("x-canary", "yes")], None).expect("an answer");
    assert!(tester.assert_ok().text().contains("VERSION=2\n"), "it goes on after a restart");
    site.ask("DELETE", "/admin/handlers/app/canary", &[], b"").assert_ok();
    let tester = client.send("GET", "/app", &[("x-canary", "yes")], None).expect("an answer");
    assert!(tester.assert_ok().text().contains("VERSION=1\n"));
    // What was tried is kept, and can be tried again by its name.
    let versions = site.admin.get("/admin/handlers/app/versions").assert_ok().json();
    let id = versions["versions"][0]["id"].as_str().expect("a name");
    let document = format!(r#"{{"version":"{}","percent":100,"tester":"cookie try=new"}}"#, &id[..12]);
    site.post("app", "canary", &document).assert_ok();
    assert!(site.text("/app").contains("VERSION=2\n"));
    site.post("app", "rollback", "").assert_ok();
    assert!(site.text("/app").contains("VERSION=1\n"));
}

#[test]
fn canaries_that_make_no_sense_are_refused() {
    let site = Site::new(&[]);
    canary(&site, &env(), "{}", 10, "").assert_problem(404, "no_such_handler");
    site.deploy("app", &env(), &marked(1)).assert_ok();
    canary(&site, &env(), &marked(1), 10, "").assert_problem(409, "already_active");
    canary(&site, &env(), "{}", 101, "").assert_problem(400, "bad_change");
    canary(&site, &env(), "{}", 10, "query a=b").assert_problem(400, "bad_change");
    site.post("app", "canary", "{}").assert_problem(400, "bad_change");
    site.post("app", "canary", r#"{"percent":5}"#).assert_problem(400, "bad_change");
    site.ask("DELETE", "/admin/handlers/app/canary", &[], b"").assert_problem(409, "no_canary");
    let failing = canary(&site, &guest("trap"), r#"{"check":"/"}"#, 10, "");
    failing.assert_problem(422, "trial_failed");
}
