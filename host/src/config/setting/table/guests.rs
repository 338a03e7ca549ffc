//! Settings of the section "Limits of an instance": what one instance may use.

use super::super::words::fuel;
use super::super::{Repeat, Setting};
use super::{DAY, MILLISECOND, store};
use crate::config::units::{GIB, KIB, MIB, bytes, count, duration};

const SECTION: &str = "Limits of an instance";

pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        name: "timeout",
        value: "TIME",
        default: "30s",
        section: SECTION,
        help: "Time from a request's admission to the end of its answer",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.limits.timeout, duration(text, MILLISECOND..=DAY)),
    },
    Setting {
        name: "cpu-time",
        value: "TIME",
        default: "10s",
        section: SECTION,
        help: "CPU time of one request",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.limits.cpu_time, duration(text, MILLISECOND..=DAY)),
    },
    Setting {
        name: "fuel",
        value: "N",
        default: "off",
        section: SECTION,
        help: "Fuel of one request, about a unit per instruction, or `off`",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.limits.fuel, fuel(text)),
    },
    Setting {
        name: "memory",
        value: "SIZE",
        default: "128MiB",
        section: SECTION,
        help: "Bytes of all memories and tables",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.limits.memory_bytes_max, bytes(text, 64 * KIB..=4 * GIB)),
    },
    // The host reserves this and 1.5 MiB for every instance: at most a TiB. Less than 64 KiB fails
    // honest handlers; more than 8 MiB, what native programs have, is a runaway recursion.
    Setting {
        name: "max-stack",
        value: "SIZE",
        default: "512KiB",
        section: SECTION,
        help: "Bytes of WebAssembly stack",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.limits.stack_bytes_max, bytes(text, 64 * KIB..=8 * MIB)),
    },
    Setting {
        name: "max-handles",
        value: "N",
        default: "1024",
        section: SECTION,
        help: "Streams, bodies and other host resources held at once",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.limits.handles_max, count(text, 16..=1_000_000)),
    },
    Setting {
        name: "max-hostcall",
        value: "SIZE",
        default: "8MiB",
        section: SECTION,
        help: "Bytes handed to the host in one call",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.limits.hostcall_bytes_max, bytes(text, 64 * KIB..=128 * MIB)),
    },
    Setting {
        name: "max-random",
        value: "SIZE",
        default: "1MiB",
        section: SECTION,
        help: "Bytes of randomness in one call",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.limits.random_bytes_max, bytes(text, 4 * KIB..=64 * MIB)),
    },
    Setting {
        name: "max-fields",
        value: "SIZE",
        default: "64KiB",
        section: SECTION,
        help: "Bytes of one set of header fields in memory",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.limits.fields_bytes_max, bytes(text, KIB..=512 * KIB)),
    },
    Setting {
        name: "max-outbound",
        value: "N",
        default: "8",
        section: SECTION,
        help: "Outbound connections at once",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.limits.outbound_max, count(text, 0..=1000)),
    },
    Setting {
        name: "max-log",
        value: "SIZE",
        default: "64KiB",
        section: SECTION,
        help: "Bytes of standard output and error that reach the log",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.limits.log_bytes_max, bytes(text, 0..=64 * MIB)),
    },
];
