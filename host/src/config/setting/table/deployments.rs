//! Settings of the section "Deployments": where they are kept, and when one that is tried is given up.

use super::super::words::state;
use super::super::{Repeat, Setting};
use super::{DAY, MILLISECOND, store};
use crate::config::units::{KIB, MIB, bytes, count, duration, percent};
use std::time::Duration;

const SECTION: &str = "Deployments";

pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        name: "state",
        value: "DIR",
        default: "user",
        section: SECTION,
        help: "Where deployments are kept: a directory, `user` for the user's state directory, or `off`",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.deploy.state, state(text)),
    },
    Setting {
        name: "versions-kept",
        value: "N",
        default: "10",
        section: SECTION,
        help: "Versions of a handler that are kept for a rollback",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.deploy.versions_kept, count(text, 1..=1000)),
    },
    Setting {
        name: "max-component",
        value: "SIZE",
        default: "128MiB",
        section: SECTION,
        help: "Bytes of a component that is deployed, or comes from a registry",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.deploy.component_bytes_max, bytes(text, KIB..=512 * MIB)),
    },
    Setting {
        name: "upload-timeout",
        value: "TIME",
        default: "60s",
        section: SECTION,
        help: "How long a component that is deployed may take to arrive",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.deploy.upload_timeout, duration(text, MILLISECOND..=DAY)),
    },
    Setting {
        name: "canary-window",
        value: "TIME",
        default: "60s",
        section: SECTION,
        help: "How far back a canary's requests are looked at",
        repeat: Repeat::Once,
        set: |config, text| {
            store(&mut config.deploy.canary.window, duration(text, Duration::from_secs(1)..=DAY))
        },
    },
    Setting {
        name: "canary-max-failures",
        value: "PERCENT",
        default: "5%",
        section: SECTION,
        help: "What part of them may fail before the canary is rolled back",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.deploy.canary.failures_percent_max, percent(text, 0..=100)),
    },
    Setting {
        name: "canary-min-requests",
        value: "N",
        default: "20",
        section: SECTION,
        help: "How many there have to be for that",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.deploy.canary.requests_min, count(text, 1..=1_000_000)),
    },
];
