//! Settings of the section "Grants to a handler": what a handler may reach.

use super::super::address::destination;
use super::super::words::variable;
use super::super::{Repeat, Setting};
use super::store;
use crate::config::units::count;

const SECTION: &str = "Grants to a handler";

pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        name: "env",
        value: "NAME=VALUE",
        default: "",
        section: SECTION,
        help: "An environment variable of the handler; repeatable",
        repeat: Repeat::Many { env_separator: None },
        set: |config, text| {
            let variable = variable(text, &config.grants.env)?;
            config.grants.env.push(variable);
            Ok(())
        },
    },
    Setting {
        name: "max-outbound-total",
        value: "N",
        default: "256",
        section: SECTION,
        help: "Outbound connections of all requests at once",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.grants.outbound_max, count(text, 0..=100_000)),
    },
    Setting {
        name: "allow-outbound",
        value: "HOST:PORT",
        default: "",
        section: SECTION,
        help: "A destination of outbound requests, with `*` for every port; repeatable",
        repeat: Repeat::Many { env_separator: Some(',') },
        set: |config, text| {
            config.grants.outbound.push(destination(text)?);
            Ok(())
        },
    },
];
