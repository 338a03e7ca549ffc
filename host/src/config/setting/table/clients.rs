//! Settings of the section "Limits of a request": what a client may send, and how long it may take.

use super::super::address::network;
use super::super::words::forwarded_by;
use super::super::{Repeat, Setting};
use super::{DAY, MILLISECOND, store};
use crate::config::units::{KIB, TIB, bytes, count, duration};

const SECTION: &str = "Limits of a request";

pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        name: "trusted-proxies",
        value: "NET",
        default: "",
        section: SECTION,
        help: "Proxies that are believed about a request's client, scheme and host, as 10.0.0.0/8; repeatable",
        repeat: Repeat::Many { env_separator: Some(',') },
        set: |config, text| {
            config.net.proxies.trusted.push(network(text)?);
            Ok(())
        },
    },
    Setting {
        name: "forwarded-by",
        value: "FIELD",
        default: "x-forwarded",
        section: SECTION,
        help: "What they write: `x-forwarded` (-For, -Proto and -Host) or `forwarded` (RFC 7239)",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.net.proxies.forwarded_by, forwarded_by(text)),
    },
    Setting {
        name: "max-body",
        value: "SIZE",
        default: "16MiB",
        section: SECTION,
        help: "Bytes of a request's body",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.net.body_bytes_max, bytes(text, 0..=TIB)),
    },
    Setting {
        name: "max-uri",
        value: "SIZE",
        default: "8KiB",
        section: SECTION,
        help: "Bytes of a request's target",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.net.uri_bytes_max, bytes(text, 64..=60 * KIB)),
    },
    Setting {
        name: "max-header",
        value: "SIZE",
        default: "32KiB",
        section: SECTION,
        help: "Bytes of a request's header fields",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.net.header_bytes_max, bytes(text, KIB..=256 * KIB)),
    },
    Setting {
        name: "max-concurrent-streams",
        value: "N",
        default: "100",
        section: SECTION,
        help: "Requests at once on one HTTP/2 connection",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.net.concurrent_streams_max, count(text, 1..=10_000)),
    },
    Setting {
        name: "header-timeout",
        value: "TIME",
        default: "10s",
        section: SECTION,
        help: "How long a client may take to send a request's head",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.net.header_timeout, duration(text, MILLISECOND..=DAY)),
    },
    Setting {
        name: "idle-timeout",
        value: "TIME",
        default: "60s",
        section: SECTION,
        help: "How long a connection may go without a request",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.net.idle_timeout, duration(text, MILLISECOND..=DAY)),
    },
    Setting {
        name: "write-timeout",
        value: "TIME",
        default: "30s",
        section: SECTION,
        help: "How long a client may take to read the next 16 KiB of a response",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.net.write_timeout, duration(text, MILLISECOND..=DAY)),
    },
    Setting {
        name: "body-timeout",
        value: "TIME",
        default: "15s",
        section: SECTION,
        help: "How long a handler waits for the next bytes of a request's body",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.net.body_timeout, duration(text, MILLISECOND..=DAY)),
    },
];
