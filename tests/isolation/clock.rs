//! The system's clock jumps while requests wait: no deadline may notice.

use crate::harness::{guest, pause};
use crate::{LATE_MAX, Trial, alone};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

const DAY: &str = "86400";
const TIMEOUT: Duration = Duration::from_secs(2);
/// The sleep that ends before the deadline.
const SLEEP: Duration = Duration::from_millis(1500);

/// libfaketime for programs of many threads, where distributions put it.
fn faketime() -> PathBuf {
    let name = "faketime/libfaketimeMT.so.1";
    let arch = format!("/usr/lib/{}-linux-gnu", std::env::consts::ARCH);
    let places = [arch.as_str(), "/usr/lib", "/usr/lib64", "/usr/local/lib"];
    let found = places.iter().map(|place| Path::new(place).join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("no {name} in {places:?}: install it with `apt-get install faketime`"))
}

/// The date at which a log line was written.
fn date(line: &str) -> String {
    let line: serde_json::Value = serde_json::from_str(line).expect("a JSON log line");
    line["timestamp"].as_str().expect("a timestamp")[..10].to_owned()
}

/// Row 102: a day forward or back is neither a timeout nor a reprieve.
#[test]
fn clock_jumps_of_a_day_move_no_deadline() {
    let _alone = alone();
    let library = faketime();
    let offset = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("clock-{}", std::process::id()));
    fs::write(&offset, "+0").expect("temporary directory");
    let timeout = format!("{}s", TIMEOUT.as_secs());
    let trial = Trial::begin_with(&guest("sleep"), &["--timeout", &timeout], |command| {
        command
            .env("LD_PRELOAD", &library)
            .env("FAKETIME_TIMESTAMP_FILE", &offset)
            .env("FAKETIME_NO_CACHE", "1")
            .env("DONT_FAKE_MONOTONIC", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    });
    let mut today = date(&trial.server.log.wait_for(&["\"message\":\"ready\""]));
    for (jump, reason) in [("+", "/forward"), ("-", "/back")] {
        let client = trial.server.client();
        let asleep = client.get_later(&format!("{reason}?ms=3600000"));
        let awake = client.get_later(&format!("{reason}-awake?ms={}", SLEEP.as_millis()));
        pause(TIMEOUT / 4);
        fs::write(&offset, format!("{jump}{DAY}")).expect("temporary directory");

        let awake = awake.join().expect("client thread").expect("a head");
        awake.assert_ok();
        let asleep = asleep.join().expect("client thread").expect("a head");
        asleep.assert_problem(504, "guest_timeout");
        println!("clock {jump}1 day: slept {:.3?}, timed out after {:.3?}", awake.took, asleep.took);
        assert!(SLEEP <= awake.took && awake.took < SLEEP + LATE_MAX, "{:?}", awake.took);
        assert!(TIMEOUT <= asleep.took && asleep.took < TIMEOUT + LATE_MAX, "{:?}", asleep.took);

        let path = format!("\"path\":\"{reason}\"");
        let jumped = date(&trial.server.log.wait_for(&["\"message\":\"request\"", &path]));
        println!("clock {jump}1 day: the log went from {today} to {jumped}");
        assert_ne!(jumped, today, "the clock did not jump");
        today = jumped;
    }
    trial.end();
    let _ = fs::remove_file(offset);
}
