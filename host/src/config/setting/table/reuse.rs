//! Settings of the section "Instances that stay": which ones are used again, and which are made ahead.

use super::super::words::reuse;
use super::super::{Repeat, Setting};
use super::{DAY, MILLISECOND, store};
use crate::config::units::{GIB, KIB, bytes, count, duration};
use std::num::NonZeroU32;

/// Requests at once in one instance: each of them can take the others down.
const CONCURRENCY_MAX: NonZeroU32 = NonZeroU32::new(1000).expect("not zero");

const SECTION: &str = "Instances that stay";

pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        name: "reuse",
        value: "N",
        default: "off",
        section: SECTION,
        help: "Requests that one instance serves, one after the other; `off` gives each a fresh one",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.reuse.requests_max, reuse(text)),
    },
    Setting {
        name: "reuse-concurrency",
        value: "N",
        default: "1",
        section: SECTION,
        help: "Requests that one instance serves at once, if it is of WASI 0.3 and used again",
        repeat: Repeat::Once,
        set: |config, text| {
            store(&mut config.reuse.concurrency, count(text, NonZeroU32::MIN..=CONCURRENCY_MAX))
        },
    },
    Setting {
        name: "reuse-idle",
        value: "TIME",
        default: "10s",
        section: SECTION,
        help: "How long an instance waits for its next request",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.reuse.idle_max, duration(text, MILLISECOND..=DAY)),
    },
    Setting {
        name: "reuse-memory",
        value: "SIZE",
        default: "64MiB",
        section: SECTION,
        help: "Bytes of memory above which an instance is not used again",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.reuse.memory_bytes_max, bytes(text, 64 * KIB..=4 * GIB)),
    },
    Setting {
        name: "warm",
        value: "N",
        default: "0",
        section: SECTION,
        help: "Instances of each handler made ahead, while nothing else is to be done",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.reuse.warm, count(text, 0..=10_000)),
    },
    Setting {
        name: "warm-age",
        value: "TIME",
        default: "60s",
        section: SECTION,
        help: "How old an instance made ahead may become",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.reuse.warm_age_max, duration(text, MILLISECOND..=DAY)),
    },
];
