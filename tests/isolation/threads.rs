//! Threads of the host's own that die: what they held is told, and they are started anew.

use super::harness::{eventually, guest};
use super::{Trial, alone};
use std::time::{Duration, Instant};

/// How long the host may take to be back at full strength.
const REVIVAL_MAX: Duration = Duration::from_secs(1);

/// Row 29: an executor thread that dies costs the one request that it held.
#[test]
#[cfg_attr(not(feature = "failpoints"), ignore = "needs the feature `failpoints`")]
fn a_dead_executor_thread_costs_one_request_and_is_started_anew() {
    let _alone = alone();
    let trial = Trial::begin_with(&guest("hello"), &[], |command| {
        command.env("FAILPOINTS", "executor_thread=20*off->1*return->off");
    });
    let answers = trial.get_together("/", 100);
    let lost: Vec<_> = answers.iter().filter(|answer| answer.status != 200).collect();
    assert_eq!(lost.len(), 1, "{lost:?}");
    lost[0].assert_problem(500, "executor_lost");
    let died = Instant::now();
    eventually("a ready host", || trial.get("/ready").status == 200);
    println!("ready again after {:?}", died.elapsed());
    assert!(died.elapsed() < REVIVAL_MAX, "{:?}", died.elapsed());
    trial.server.log.wait_for(&["started anew", "executor threads"]);
    trial.get("/").assert_ok();
    trial.end();
}

/// Row 30: a ticker that dies is started anew before a runaway has made anything of it.
#[test]
#[cfg_attr(not(feature = "failpoints"), ignore = "needs the feature `failpoints`")]
fn a_dead_ticker_is_started_anew_and_runaways_still_end() {
    let _alone = alone();
    let trial = Trial::begin_with(&guest("spin"), &["--timeout", "2s"], |command| {
        command.env("FAILPOINTS", "ticker=50*off->1*return->off");
    });
    let answers = trial.get_together("/", 4);
    for answer in &answers {
        answer.assert_problem(504, "guest_timeout");
        assert!(answer.took < Duration::from_millis(2250), "{:?}", answer.took);
    }
    trial.server.log.wait_for(&["started anew", "ticker"]);
    trial.end();
}
