//! What compiling costs those who are served meanwhile.

use super::harness::{Answer, ChildProcess, bombs, eventually, guest};
use super::{Trial, alone};
use std::fs;
use std::time::Duration;

/// How much later the slowest hundredth may be answered.
const DELAY_MAX: Duration = Duration::from_millis(4);
/// How often hello is asked for a quantile.
const ASKED: usize = 1000;

/// What ninety-nine of a hundred took at most: the median of that over all thousands that were asked. What
/// others do on this machine for a moment is in some of them.
fn usual_p99(asked: &[Duration]) -> Duration {
    let p99 = |thousand: &[Duration]| {
        let mut took = thousand.to_vec();
        took.sort_unstable();
        took[took.len() * 99 / 100]
    };
    let mut found: Vec<_> = asked.chunks(ASKED).map(p99).collect();
    found.sort_unstable();
    found[found.len() / 2]
}

/// Asks three thousand times.
fn ask_for_quantiles(ask: impl Fn() -> Duration) -> Vec<Duration> {
    (0..3 * ASKED).map(|_| ask()).collect()
}

/// Row 87: hello is answered as fast beside two compile bombs, which are as many as there are cores for the
/// guests, as without.
#[test]
fn hello_waits_no_longer_beside_compile_bombs() {
    let _alone = alone();
    let directory = tempfile::tempdir().expect("temporary directory");
    fs::copy(guest("hello"), directory.path().join("hello.wasm")).expect("component");
    let path = directory.path().to_str().expect("UTF-8");
    // On a machine that others keep busy the clock ends them, after five times as long.
    let trial = Trial::begin(path, &["--compile-timeout", "10s", "--compile-jobs", "2"]);
    let p99 = || usual_p99(&ask_for_quantiles(|| trial.get("/hello").assert_ok().took));
    let idle = p99();
    let bomb = bombs::one_function(7_000_000);
    for name in ["one", "two"] {
        fs::write(directory.path().join(format!("{name}.wasm")), bombs::renamed(&bomb, name))
            .expect("component");
    }
    trial.server.signal("HUP");
    let compilers = || ChildProcess::of(trial.server.pid());
    eventually("both compile at the lowest priority", || {
        let found = compilers();
        found.len() == 2 && found.iter().all(|child| child.policy == 5)
    });
    let beside = p99();
    assert_eq!(compilers().len(), 2, "they have compiled all the while");
    println!("p99 of hello: {idle:.2?} alone, {beside:.2?} beside two bombs");
    assert!(beside < idle + DELAY_MAX, "{beside:?} beside them, {idle:?} alone");
    eventually("both are given up", || compilers().is_empty());
    let line = trial.server.log.wait_for(&["cannot reload", "one.wasm", "two.wasm"]);
    // For want of time or of memory, whichever this machine comes to the end of first.
    assert_eq!(line.matches("compiling the component was given up").count(), 2, "{line}");
    trial.end();
}

/// Rows 84 to 87: whatever is sent to be deployed and is none, or a bomb, is 422 with its reason, and hello waits no
/// longer meanwhile.
#[test]
fn deployments_that_do_not_compile_are_refused_with_a_reason_and_hello_waits_no_longer() {
    let _alone = alone();
    let state = tempfile::tempdir().expect("temporary directory");
    let arguments = ["--admin", "127.0.0.1:0", "--compile-timeout", "4s"];
    let trial = Trial::begin_with(&guest("hello"), &arguments, |host| {
        host.env("WASM_HOST_STATE", state.path().join("store"));
    });
    let admin = trial.server.admin();
    let hello = fs::read(guest("hello")).expect("guest");
    let mut flipped = hello.clone();
    flipped[12] ^= 1;
    let precompiled = wasmtime::Engine::default().precompile_component(&hello).expect("compiles");
    let sent: [(&str, Vec<u8>, &[&str]); 6] = [
        ("one function of 7 MB", bombs::one_function(7_000_000), &["compile_limit"]),
        ("100,000 functions", bombs::functions(100_000), &["too_complex"]),
        ("deep types", bombs::nested_types(1_000_000), &["too_complex"]),
        ("compiled code", precompiled, &["precompiled"]),
        ("a half", hello[..hello.len() / 2].to_vec(), &["invalid_wasm"]),
        ("a flipped bit", flipped, &["invalid_wasm", "unsupported"]),
    ];
    let ask = || trial.get("/").assert_ok().took;
    let idle = usual_p99(&ask_for_quantiles(ask));
    let beside = std::thread::scope(|scope| {
        let deploying = scope.spawn(|| {
            let wasm = [("content-type", "application/wasm")];
            let put = |component: &Vec<u8>| -> Answer {
                admin.send("PUT", "/admin/handlers/app", &wasm, Some(component)).expect("an answer")
            };
            let answers = sent.iter().map(|(what, component, reasons)| (what, put(component), reasons));
            answers.collect::<Vec<_>>()
        });
        let beside: Vec<_> = std::iter::repeat_with(ask).take_while(|_| !deploying.is_finished()).collect();
        for (what, answer, reasons) in deploying.join().expect("the client") {
            let problem = answer.json();
            println!("{what}: {} {} after {:.1?}", answer.status, problem["reason"], answer.took);
            assert_eq!(answer.status, 422, "{what}: {problem}");
            assert!(reasons.contains(&problem["reason"].as_str().unwrap_or_default()), "{what}: {problem}");
        }
        usual_p99(&beside)
    });
    // The machine is not as busy with other things at every moment: its idle host is looked at on both sides.
    let idle = idle.max(usual_p99(&ask_for_quantiles(ask)));
    println!("p99 of hello: {idle:.2?} alone, {beside:.2?} beside what is refused");
    assert!(beside < idle + DELAY_MAX, "{beside:?} beside them, {idle:?} alone");
    trial.end();
}
