//! Settings of the section "TLS": certificates and handshakes.

use super::super::words::{CONNECTIONS_MAX, file};
use super::super::{Repeat, Setting};
use super::{DAY, MILLISECOND, store};
use crate::config::units::{count, duration};

const SECTION: &str = "TLS";

pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        name: "tls-cert",
        value: "FILE",
        default: "off",
        section: SECTION,
        help: "PEM file of the certificate, with those that vouch for it; read again when it changes",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.net.tls.cert, file(text)),
    },
    Setting {
        name: "tls-key",
        value: "FILE",
        default: "off",
        section: SECTION,
        help: "PEM file of the certificate's key",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.net.tls.key, file(text)),
    },
    Setting {
        name: "tls-client-ca",
        value: "FILE",
        default: "off",
        section: SECTION,
        help: "PEM file of authorities: every client needs a certificate of one of them",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.net.tls.client_ca, file(text)),
    },
    Setting {
        name: "handshake-timeout",
        value: "TIME",
        default: "10s",
        section: SECTION,
        help: "How long a TLS handshake may take",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.net.tls.handshake_timeout, duration(text, MILLISECOND..=DAY)),
    },
    Setting {
        name: "max-handshakes",
        value: "N",
        default: "256",
        section: SECTION,
        help: "TLS handshakes at once; beyond that the oldest gives way",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.net.tls.handshakes_max, count(text, 1..=CONNECTIONS_MAX)),
    },
];
