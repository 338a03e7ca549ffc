//! Settings of the section "Serving": where the host listens, how long it takes to end, and what it tells.

use super::super::address::{admin, listen};
use super::super::words::{connections, log_format, switch, threads};
use super::super::{Repeat, Setting};
use super::{DAY, store};
use crate::config::token::Token;
use crate::config::units::duration;
use std::time::Duration;

const SECTION: &str = "Serving";

pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        name: "listen",
        value: "ADDR",
        default: "auto",
        section: SECTION,
        help: "Address and port (port 0 lets the system choose) or `unix:PATH` to listen on; `auto` is what \
               the service manager passes, else 127.0.0.1:8080; repeatable",
        repeat: Repeat::Many { env_separator: Some(',') },
        set: |config, text| {
            config.net.listen.push(listen(text)?);
            Ok(())
        },
    },
    Setting {
        name: "admin",
        value: "ADDR",
        default: "auto",
        section: SECTION,
        help: "Address and port for looking after the host; `auto` is 127.0.0.1:8081 if it is free, or `off`",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.admin.listen, admin(text)),
    },
    Setting {
        name: "admin-token",
        value: "TOKEN",
        default: "",
        section: SECTION,
        help: "What clients of that address must know; others on this machine see flags, but no variables",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.admin.token, Token::read(text).map(Some)),
    },
    Setting {
        name: "watch",
        value: "on|off",
        default: "off",
        section: SECTION,
        help: "Whether a change of the settings file, the handlers directory or a component is served at once",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.watch, switch(text)),
    },
    Setting {
        name: "threads",
        value: "N",
        default: "cores",
        section: SECTION,
        help: "Threads that run handlers; `cores` is one for each",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.executor.threads, threads(text)),
    },
    Setting {
        name: "max-connections",
        value: "N",
        default: "auto",
        section: SECTION,
        help: "Connections open at once; `auto` is half of the file descriptor limit",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.net.connections_max, connections(text)),
    },
    Setting {
        name: "drain-delay",
        value: "TIME",
        default: "0s",
        section: SECTION,
        help: "How long to serve on after SIGINT or SIGTERM while `/ready` says 503: what balances load needs \
               time to notice",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.net.drain_delay, duration(text, Duration::ZERO..=DAY)),
    },
    Setting {
        name: "drain-timeout",
        value: "TIME",
        default: "30s",
        section: SECTION,
        help: "How long running requests may go on after SIGINT or SIGTERM",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.net.drain_timeout, duration(text, Duration::ZERO..=DAY)),
    },
    Setting {
        name: "log-format",
        value: "FORMAT",
        default: "human",
        section: SECTION,
        help: "How log lines are written: `human` or `json`",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.log_format, log_format(text)),
    },
];
