//! Settings of the section "Scheduling": how long a guest runs, and on which threads.

use super::super::words::{hog_priority, switch};
use super::super::{Repeat, Setting};
use super::{DAY, store};
use crate::config::units::{count, duration};
use std::time::Duration;

const SECTION: &str = "Scheduling";

pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        name: "slice",
        value: "TIME",
        default: "1ms",
        section: SECTION,
        help: "Longest run before the other instances have their turn",
        repeat: Repeat::Once,
        set: |config, text| {
            let range = Duration::from_micros(100)..=Duration::from_secs(1);
            store(&mut config.executor.slice, duration(text, range))
        },
    },
    Setting {
        name: "busy-after",
        value: "TIME",
        default: "2ms",
        section: SECTION,
        help: "CPU time after which a request leaves the threads of normal priority",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.executor.busy_after, duration(text, Duration::ZERO..=DAY)),
    },
    Setting {
        name: "hog-after",
        value: "TIME",
        default: "600ms",
        section: SECTION,
        help: "CPU time after which a request gets only what the others leave",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.executor.hog_after, duration(text, Duration::ZERO..=DAY)),
    },
    Setting {
        name: "busy-nice",
        value: "N",
        default: "5",
        section: SECTION,
        help: "Nice value of the threads between the two",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.executor.busy_nice, count(text, 0..=19)),
    },
    Setting {
        name: "hog-priority",
        value: "N",
        default: "idle",
        section: SECTION,
        help: "Nice value of the last threads, or `idle` for SCHED_IDLE",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.executor.hog_priority, hog_priority(text)),
    },
    Setting {
        name: "pin-threads",
        value: "on|off",
        default: "off",
        section: SECTION,
        help: "Whether each thread that runs handlers stays on one core",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.executor.pin_threads, switch(text)),
    },
];
