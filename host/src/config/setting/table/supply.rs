//! Settings of the section "Where components come from": registries, what stands in front of a handler, and who
//! has to vouch for what is served.

use super::super::words::file;
use super::super::{Repeat, Setting};
use super::{DAY, MILLISECOND, store};
use crate::config::ComponentSource;
use crate::config::mistake::Refusal;
use crate::config::units::duration;
use crate::registry::SCHEME;
use std::path::PathBuf;

const SECTION: &str = "Where components come from";

pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        name: "middleware",
        value: "COMPONENT",
        default: "",
        section: SECTION,
        help: "A component that imports the handler interface it exports, to stand in front of the handler; \
               repeatable, the first one outermost",
        repeat: Repeat::Many { env_separator: Some(',') },
        set: |config, text| {
            config.middleware.push(component(text)?);
            Ok(())
        },
    },
    Setting {
        name: "require-signature",
        value: "PUBKEY",
        default: "",
        section: SECTION,
        help: "PEM file of an ed25519 public key: serve only what one of these keys has signed; repeatable",
        repeat: Repeat::Many { env_separator: Some(',') },
        set: |config, text| {
            config.require_signature.push(named(text)?);
            Ok(())
        },
    },
    Setting {
        name: "oci-plain-http",
        value: "HOST[:PORT]",
        default: "",
        section: SECTION,
        help: "A registry that is spoken to without TLS, as those on this machine are; repeatable",
        repeat: Repeat::Many { env_separator: Some(',') },
        set: |config, text| {
            let registry =
                text.parse().map_err(|_| Refusal::expected("the HOST or HOST:PORT of a registry"))?;
            config.registries.plain_http.push(registry);
            Ok(())
        },
    },
    Setting {
        name: "oci-timeout",
        value: "TIME",
        default: "5m",
        section: SECTION,
        help: "How long a component may take to come from a registry, all attempts together",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.registries.timeout, duration(text, MILLISECOND..=DAY)),
    },
];

/// A file, or a reference to a registry.
fn component(text: &str) -> Result<ComponentSource, Refusal> {
    match text.starts_with(SCHEME) {
        true => match text.parse() {
            Ok(reference) => Ok(ComponentSource::Registry(reference)),
            Err(_) => {
                Err(Refusal::expected("`oci://HOST[:PORT]/REPOSITORY[:TAG][@sha256:DIGEST]`, or a file"))
            }
        },
        false => named(text).map(ComponentSource::File),
    }
}

/// One file of a list that is empty by default.
fn named(text: &str) -> Result<PathBuf, Refusal> {
    file(text)?.ok_or_else(|| Refusal::expected("a file; without any, leave the setting out"))
}
