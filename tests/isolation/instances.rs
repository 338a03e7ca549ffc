//! What an instance leaves behind, which is nothing: not after an answer, a trap, an exit or a fault
//! of the host itself, and what of the world it sees, which is nothing either.

use crate::harness::guest;
use crate::{PROFILES, Trial, alone};
use std::process::Command;

/// Row 6: the error of a host call is the trap of the guest that made it.
#[test]
fn poll_of_nothing_is_a_trap() {
    let _alone = alone();
    let trial = Trial::begin(&guest("poll-nothing"), &[]);
    for answer in trial.get_together("/", 8) {
        answer.assert_problem(500, "guest_trap");
    }
    trial.end();
}

/// Row 28: a panic in the host's own code is that request's and no one else's.
#[test]
#[cfg_attr(not(feature = "failpoints"), ignore = "sets off fail points: test with `--features failpoints`")]
fn host_panic_is_one_requests_500() {
    let _alone = alone();
    // In a host call of the guest's, and before there is a guest.
    for place in ["guest_log", "invoke"] {
        let trial = Trial::begin_with(&guest("print"), &[], |command| {
            command.env("FAILPOINTS", format!("{place}=20*panic"));
        });
        for _ in 0..20 {
            trial.get("/?bytes=64").assert_problem(500, "host_panic");
        }
        for _ in 0..20 {
            assert_eq!(trial.get("/?bytes=64").assert_ok().text(), "printed 64\n");
        }
        println!("{place}: {}", trial.server.log.wait_for(&["host panic"]));
        assert_eq!(trial.request_line("host_panic")["status"], 500);
        trial.end();
    }
}

/// Row 31: every request has an instance of its own.
#[test]
fn counter_is_always_one() {
    let _alone = alone();
    let trial = Trial::begin(&guest("counter"), &["--instances", "4"]);
    for _ in 0..100 {
        assert_eq!(trial.get("/").assert_ok().text(), "1\n");
    }
    for answer in trial.get_together("/", 16) {
        assert_eq!(answer.assert_ok().text(), "1\n");
    }
    trial.end();
}

/// Row 31: also after a trap and a timeout, in the very slot that they were in.
#[test]
fn counter_is_one_after_a_trap_and_a_timeout() {
    let _alone = alone();
    for profile in PROFILES {
        let settings = [profile, &["--instances", "1", "--timeout", "500ms"]].concat();
        let trial = Trial::begin(&guest("mixed"), &settings);
        for (path, status, reason) in
            [("/trap", 500, "guest_trap"), ("/spin", 504, "guest_timeout"), ("/sleep", 504, "guest_timeout")]
        {
            for _ in 0..3 {
                trial.get(path).assert_problem(status, reason);
                assert_eq!(trial.get("/count").assert_ok().text(), "1\n", "after {path}");
            }
        }
        trial.end();
    }
}

/// Row 32: no byte of one request's heap or stack is there in a later one's.
#[test]
fn canary_of_one_request_is_not_found_by_the_next_ones() {
    let _alone = alone();
    for profile in PROFILES {
        let trial = Trial::begin(&guest("canary"), &[profile, &["--instances", "2"]].concat());
        let canary = "c0ffee15600dfade5a17ed0ddba11ad5";
        let both = trial.get(&format!("/?write={canary}&scan={canary}")).assert_ok().text();
        println!("canary: write and scan in one request: {}", both.replace('\n', ", "));
        assert!(!both.contains("found 0"), "the scan is blind: {both}");
        for round in 0..10 {
            trial.get(&format!("/?write={canary}")).assert_ok();
            for _ in 0..5 {
                let text = trial.get(&format!("/?scan={canary}")).assert_ok().text();
                assert_eq!(text, "found 0\n", "round {round}");
            }
        }
        println!("canary: found 0 in 50 later requests");
        trial.end();
    }
}

/// Row 34: no variable, argument, file or input of the host's is a guest's.
#[test]
fn guests_world_is_empty() {
    let _alone = alone();
    let secret = |command: &mut Command| {
        command.env("ISOLATION_SECRET", "hidden");
        type_into(command, "hidden");
    };
    let trial = Trial::begin_with(&guest("env"), &[], secret);
    let text = trial.get("/").assert_ok().text();
    assert_eq!(text, "environment 0\narguments 0\npreopens 0\ncwd none\n");
    trial.end();

    let trial = Trial::begin_with(&guest("files"), &[], secret);
    let text = trial.get("/").assert_ok().text();
    println!("files: {}", text.lines().next().expect("a line"));
    assert!(text.lines().count() >= 9, "{text}");
    assert!(text.lines().all(|line| !line.ends_with(" ok")), "{text}");
    trial.end();

    let trial = Trial::begin_with(&guest("stdin"), &["--timeout", "10s"], secret);
    let text = trial.get("/").assert_ok().text();
    println!("stdin: {}", text.trim_end());
    assert!(text == "read 0\n" || text.starts_with("error "), "{text}");
    trial.end();
}

/// Gives the host a standard input that has something in it.
fn type_into(command: &mut Command, text: &str) {
    let mut shell = Command::new("sh");
    // The shell becomes the host: its process number and its standard error are the host's.
    shell.arg("-c").arg(format!("exec \"$0\" \"$@\" <<'END'\n{text}\nEND"));
    shell.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    if let Some(directory) = command.get_current_dir() {
        shell.current_dir(directory);
    }
    *command = shell;
}

/// Row 36: `exit` ends the request, and not the process.
#[test]
fn exit_ends_the_request_alone() {
    let _alone = alone();
    let trial = Trial::begin(&guest("exit"), &[]);
    for answer in trial.get_together("/", 8) {
        answer.assert_problem(500, "guest_exit");
    }
    trial.end();
}
