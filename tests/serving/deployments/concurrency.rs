//! Row 94: changes at the same time. Each is made whole or refused, and none is lost.

use super::{Site, deploy, env, marked};
use crate::harness::Answer;
use std::sync::Barrier;

const MANY: usize = 20;
/// Those that wait for their turn do so for as long as it takes.
const PATIENCE: [&str; 2] = ["--upload-timeout", "10m"];

/// Deploys as many versions of one handler at once.
fn at_once(site: &Site, headers: &[(&str, &str)]) -> Vec<(usize, Answer)> {
    let (barrier, component) = (&Barrier::new(MANY), &env());
    std::thread::scope(|scope| {
        let one = |number: usize| {
            move || {
                barrier.wait();
                (number, deploy(&site.admin, "app", component, &marked(number), headers))
            }
        };
        let threads: Vec<_> = (1..=MANY).map(|number| scope.spawn(one(number))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a client")).collect()
    })
}

/// Those that were made, after the others were seen to be refused with the reason.
#[track_caller]
fn made(answers: &[(usize, Answer)]) -> Vec<usize> {
    let (made, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|(_, answer)| answer.status == 200);
    for (_, answer) in refused {
        answer.assert_problem(409, "conflict");
    }
    made.into_iter().map(|(number, _)| *number).collect()
}

/// One whole version answers, and it is one of those whose deployment was confirmed.
#[track_caller]
fn assert_one_of(site: &Site, made: &[usize]) -> usize {
    let text = site.text("/app");
    let of = |number: &&usize| text.contains(&format!("VERSION={number}\n"));
    *made.iter().find(of).unwrap_or_else(|| panic!("{text} is none of {made:?}"))
}

#[test]
fn twenty_deployments_at_once_leave_one_of_them_whole() {
    let site = Site::new(&PATIENCE);
    let first = made(&at_once(&site, &[]));
    assert!(!first.is_empty());
    let served = assert_one_of(&site, &first);
    // Each one that was made is in the history, and no other is.
    let versions = site.admin.get("/admin/handlers/app/versions").assert_ok().json();
    let count = versions["versions"].as_array().expect("a list").len();
    assert_eq!(count, first.len().min(10), "{first:?}");
    println!("{} of {MANY} were made, the others were conflicts", first.len());
    let site = site.restart(&PATIENCE);
    assert_eq!(assert_one_of(&site, &[served]), served);
}

#[test]
fn of_twenty_for_the_same_generation_one_is_made() {
    let site = Site::new(&PATIENCE);
    site.deploy("app", &env(), &marked(0)).assert_ok();
    let tag = site.admin.get("/admin/handlers/app").header("etag").to_owned();
    let made = made(&at_once(&site, &[("if-match", &tag)]));
    assert_eq!(made.len(), 1, "{made:?}");
    assert_one_of(&site, &made);
    let stale = deploy(&site.admin, "app", &env(), &marked(99), &[("if-match", &tag)]);
    stale.assert_problem(409, "conflict");
    deploy(&site.admin, "app", &env(), "{}", &[("if-none-match", "*")]).assert_problem(409, "conflict");
    deploy(&site.admin, "new", &env(), "{}", &[("if-none-match", "*")]).assert_ok();
    deploy(&site.admin, "newer", &env(), "{}", &[("if-match", "\"7\"")]).assert_problem(409, "conflict");
    for (name, value) in [("if-match", "7"), ("if-match", "W/\"7\""), ("if-none-match", "\"7\"")] {
        deploy(&site.admin, "app", &env(), "{}", &[(name, value)]).assert_problem(400, "bad_change");
    }
}

#[test]
fn of_twenty_for_any_generation_each_is_made_in_turn() {
    let site = Site::new(&["--versions-kept", "30", PATIENCE[0], PATIENCE[1]]);
    let answers = at_once(&site, &[("if-match", "*")]);
    let made = made(&answers);
    assert_eq!(made.len(), MANY);
    assert_one_of(&site, &made);
    let versions = site.admin.get("/admin/handlers/app/versions").assert_ok().json();
    assert_eq!(versions["versions"].as_array().expect("a list").len(), MANY);
    assert_eq!(versions["generation"], MANY);
}

/// What answers already is deployed once more while it is removed: afterwards it is served or gone.
#[test]
fn deployment_beside_a_removal_is_served_or_gone() {
    let site = Site::new(&PATIENCE);
    let (any, component) = (&[("if-match", "*")], &env());
    for _ in 0..20 {
        site.deploy("app", component, &marked(1)).assert_ok();
        let barrier = Barrier::new(2);
        let (made, removed) = std::thread::scope(|scope| {
            let made = scope.spawn(|| {
                barrier.wait();
                deploy(&site.admin, "app", component, &marked(1), any)
            });
            barrier.wait();
            let removed = site.ask("DELETE", "/admin/handlers/app", any, b"");
            (made.join().expect("a client"), removed)
        });
        removed.assert_ok();
        // The answer is of this change, whatever came after it.
        let handler = &made.assert_ok().json()["handler"];
        assert_eq!(made.header("etag"), format!("\"{}\"", handler["generation"]));
        if site.admin.get("/admin/handlers/app").status == 200 {
            assert!(site.text("/app").contains("VERSION=1\n"));
        }
    }
}
