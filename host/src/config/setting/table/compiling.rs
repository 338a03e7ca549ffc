//! Settings of the section "Compiling": what the compiler may take, and what is kept of its work.

use super::super::words::{cache, code_profile};
use super::super::{Repeat, Setting};
use super::{HOUR, SECOND, store};
use crate::config::units::{GIB, MIB, TIB, bytes, count, duration};
use std::num::NonZeroU32;

const SECTION: &str = "Compiling";

/// More compilations than this at once only take memory from each other.
const JOBS_MAX: NonZeroU32 = NonZeroU32::new(64).expect("not zero");

pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        name: "code-profile",
        value: "auto|latency|compute",
        default: "auto",
        section: SECTION,
        help: "What code is compiled for: many short requests, or computing; `auto` begins with the first and \
               compiles handlers anew that turn out to compute, out of what the cache keeps of them",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.code_profile, code_profile(text)),
    },
    Setting {
        name: "compile-timeout",
        value: "TIME",
        default: "180s",
        section: SECTION,
        help: "CPU time of compiling one component; five times as long by the clock, since it only gets what \
               serving leaves",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.compile.cpu_time, duration(text, SECOND..=HOUR)),
    },
    Setting {
        name: "compile-memory",
        value: "SIZE",
        default: "3GiB",
        section: SECTION,
        help: "Memory of compiling one component",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.compile.memory_bytes_max, bytes(text, 256 * MIB..=TIB)),
    },
    Setting {
        name: "compile-jobs",
        value: "N",
        default: "2",
        section: SECTION,
        help: "Components compiled at once, each by a process of its own",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.compile.jobs, count(text, NonZeroU32::MIN..=JOBS_MAX)),
    },
    Setting {
        name: "cache",
        value: "DIR",
        default: "user",
        section: SECTION,
        help: "Where compiled code is kept: a directory, `user` for the user's cache directory, or `off`",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.compile.cache, cache(text)),
    },
    Setting {
        name: "cache-size",
        value: "SIZE",
        default: "2GiB",
        section: SECTION,
        help: "Compiled code that is kept; what was not used for longest goes",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.compile.cache_bytes_max, bytes(text, MIB..=64 * GIB)),
    },
];
