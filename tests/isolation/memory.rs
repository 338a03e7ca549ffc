//! Guests that take all the room there is: memory, tables, stack, the host's own memory.

use crate::harness::{component, guest, run};
use crate::{PROFILES, Trial, alone};

/// Serves `component` and checks, for each path, whether the answer is the guest's, with a text that
/// begins as given, or the host's, with a reason.
#[track_caller]
fn check(component: &str, arguments: &[&str], cases: &[(&str, Result<&str, &str>)]) -> Trial {
    let trial = Trial::begin(component, arguments);
    for (path, expected) in cases {
        let answer = trial.get(path);
        println!("{path}: {} {}", answer.status, answer.text().trim_end());
        match expected {
            Ok(text) => assert!(answer.assert_ok().text().starts_with(text), "{path}: {}", answer.text()),
            Err(reason) => drop(answer.assert_problem(500, reason)),
        }
    }
    trial
}

/// Row 12: the limit is the guest's failure and not the host's, and what was held stays below it.
#[test]
fn memory_hog_gets_its_limit_and_no_more() {
    let _alone = alone();
    for profile in PROFILES {
        let trial = Trial::begin(&guest("memory-hog"), profile);
        for answer in trial.get_together("/", 8) {
            answer.assert_problem(500, "memory_limit");
        }
        let line = trial.request_line("memory_limit");
        let peak_bytes = line["memory_peak_bytes"].as_u64().expect("a number of bytes");
        println!("memory-hog: peak {peak_bytes} bytes of {}", 128 << 20);
        assert!((100 << 20..=128 << 20).contains(&peak_bytes), "{line}");
        trial.end();
    }
}

/// Row 12: both sides of a limit. The guest holds a little more than a mebibyte by itself.
#[test]
fn guest_has_the_memory_it_was_promised_and_not_more() {
    let _alone = alone();
    let cases = [
        ("/?mib=1", Ok("ok 1\n")),
        ("/?mib=14", Ok("ok 14\n")),
        ("/?mib=15", Err("memory_limit")),
        ("/?mib=14", Ok("ok 14\n")),
    ];
    for profile in PROFILES {
        check(&guest("alloc"), &[profile, &["--memory", "16MiB"]].concat(), &cases).end();
    }
    let cases = [("/?mib=16", Ok("ok 16\n")), ("/?mib=64", Err("memory_limit"))];
    check(&guest("alloc"), &["--memory", "64MiB"], &cases).end();
}

/// Row 32: whether the code or the processor looks, what is past a guest's memory is no guest's: not the page after it,
/// not what the limit leaves of its slot, not the next slot, and not what the last instance in this one had grown to.
#[test]
fn access_past_a_memory_is_a_trap() {
    let _alone = alone();
    let past = ["0", "65536", "134217728", "2147483648", "4000000000"];
    for profile in PROFILES {
        let trial = Trial::begin(&guest("wild"), &[profile, &["--instances", "1"]].concat());
        assert_eq!(trial.get("/?within").assert_ok().text(), "byte 0\n");
        for beyond in past {
            for how in ["", "&write"] {
                trial.get(&format!("/?beyond={beyond}{how}")).assert_problem(500, "guest_trap");
            }
        }
        assert_eq!(trial.get("/?within&write").assert_ok().text(), "byte 7\n");
        assert_eq!(trial.get("/?within").assert_ok().text(), "byte 0\n");
        trial.get("/?grow=100&beyond=0").assert_problem(500, "guest_trap");
        trial.get("/?beyond=65536").assert_problem(500, "guest_trap");
        let log = trial.server.log.clone();
        trial.end();
        // Who looked is told apart by the trap: only the processor knows the address.
        let by_processor = !log.lines_with("memory fault at wasm address").is_empty();
        assert_eq!(by_processor, profile.contains(&"compute"), "{profile:?}");
    }
}

/// Row 12: two memories share one limit.
#[test]
fn two_memories_share_one_limit() {
    let _alone = alone();
    let component = component("two_memories");
    let trial = check(&component, &["--memory", "8MiB"], &[("/", Err("memory_limit"))]);
    let line = trial.request_line("memory_limit");
    let peak_bytes = line["memory_peak_bytes"].as_u64().expect("a number of bytes");
    println!("two-memories: peak {peak_bytes} bytes of {}", 8 << 20);
    assert!((7 << 20..=8 << 20).contains(&peak_bytes), "{line}");
    trial.end();
}

/// Row 14: a table stops at its own limit, or at that of the memory it takes.
#[test]
fn table_stops_growing_at_its_limit() {
    let _alone = alone();
    let component = component("table_grow");
    check(&component, &[], &[("/", Err("guest_trap"))]).end();
    check(&component, &["--memory", "64KiB"], &[("/", Err("memory_limit"))]).end();
}

/// Row 15: what can never fit is refused before there is a request, with what to do about it.
#[test]
fn component_that_asks_for_4_gib_is_refused_at_start() {
    let _alone = alone();
    let output = run(&["serve", &component("huge_minimum"), "--listen", "127.0.0.1:0"]);
    let message = String::from_utf8_lossy(&output.stderr);
    println!("huge-minimum: {}", message.trim_end());
    assert_eq!(output.status.code(), Some(78));
    for part in ["huge_minimum", "needs 4.0 GiB", "allows 128.0 MiB", "--memory"] {
        assert!(message.contains(part), "no {part:?} in {message}");
    }
}

/// Row 16: a stack overflow is a trap of that request, never the end of the process.
#[test]
fn recursion_without_end_is_one_requests_trap() {
    let _alone = alone();
    for profile in PROFILES {
        let trial = Trial::begin(&guest("recursion"), profile);
        for answer in trial.get_together("/", 16) {
            answer.assert_problem(500, "guest_trap");
        }
        trial.end();
    }
}

/// Row 17: what one call makes the host copy is bounded by what the call says.
#[test]
fn huge_arguments_of_host_calls_are_refused() {
    let _alone = alone();
    let cases = [
        ("/", Err("hostcall_fuel")),
        ("/?mib=9", Err("hostcall_fuel")),
        ("/?mib=1", Ok("refused 1048576\n")),
        ("/", Err("hostcall_fuel")),
    ];
    check(&guest("huge-string"), &[], &cases).end();
    // It owns one mebibyte and claims a gibibyte.
    let cases = [
        ("/", Err("hostcall_fuel")),
        ("/?copies=9", Err("hostcall_fuel")),
        // What a call may carry is more than what one set of fields may hold.
        ("/?copies=1", Err("fields_limit")),
    ];
    check(&guest("huge-list"), &["--max-fields", "512KiB"], &cases).end();
}

/// Row 18: no more random bytes at a time than the limit, which itself is allowed.
#[test]
fn random_bytes_are_bounded_in_each_call() {
    let _alone = alone();
    let cases = [
        ("/", Err("guest_trap")),
        ("/?n=1048576", Ok("got 1048576\n")),
        ("/?n=1048577", Err("guest_trap")),
        ("/?n=16", Ok("got 16\n")),
    ];
    check(&guest("random"), &[], &cases).end();
}

/// Row 19: the table of handles is bounded, whatever they are handles of.
#[test]
fn handles_are_bounded() {
    let _alone = alone();
    let cases = [("/", Err("handle_limit")), ("/?kind=pollables", Err("handle_limit"))];
    check(&guest("handles"), &[], &cases).end();
}

/// Row 20: what the host holds of a guest's headers is bounded. WASI 0.2 has no error for it, so the
/// guest that goes on is trapped.
#[test]
fn headers_that_the_host_holds_are_bounded() {
    let _alone = alone();
    let cases = [
        ("/?count=50", Ok("appended 50\n")),
        ("/", Err("fields_limit")),
        ("/?count=100", Err("fields_limit")),
        ("/?count=50", Ok("appended 50\n")),
    ];
    check(&guest("header-bomb"), &[], &cases).end();
    let cases = [("/?count=1000", Err("fields_limit")), ("/?count=100", Ok("appended 100\n"))];
    check(&guest("header-bomb"), &["--max-fields", "128KiB"], &cases).end();
}
