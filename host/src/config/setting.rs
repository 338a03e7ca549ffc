//! One setting: how it is spelled in each layer, and how its value is checked and stored. The
//! [`SETTINGS`] table is the only list of them; flags, variables, keys and help are made from it.

mod address;
mod table;
mod words;

use crate::registry::Settings;
use std::num::NonZeroU32;
use std::time::Duration;

use super::mistake::{Mistake, Origin, Refusal};
use super::{
    AdminConfig, AdminListen, AdmissionConfig, CodeProfile, CompileConfig, Config, DeployConfig,
    ExecutorConfig, ForwardedBy, Grants, HogPriority, Limits, LogFormat, NetConfig, ProxyConfig, Reuse,
    TlsSettings,
};

pub use table::SETTINGS;

/// What the names of environment variables start with.
pub(super) const ENVIRONMENT_PREFIX: &str = "WASM_HOST_";

/// The setting whose value is never repeated.
const SECRET: &str = "admin-token";

/// Characters of a refused value that are shown.
const SHOWN_CHARS_MAX: usize = 60;

/// A setting, as a person sees it and as it is stored.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Its name in the file (`queue-timeout`), the flag (`--queue-timeout`) and, in capitals, the
    /// environment variable (`WASM_HOST_QUEUE_TIMEOUT`).
    pub name: &'static str,
    /// What stands for its value in help.
    pub value: &'static str,
    /// The value used where no layer gives one; empty for a list that starts empty.
    pub default: &'static str,
    /// The heading it stands under in help.
    pub section: &'static str,
    /// What it is for, in one sentence.
    pub help: &'static str,
    /// Whether it is a list.
    pub repeat: Repeat,
    /// Checks one value and stores it, or adds it to the list.
    set: fn(&mut Config, &str) -> Result<(), Refusal>,
}

/// Whether a setting is one value or a list. A list replaces the list of a lower layer: a value that
/// is granted in a file can so be withdrawn by a flag.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Repeat {
    /// One value.
    Once,
    /// A list: a repeated flag, or an array in the file.
    Many {
        /// What separates the values in the environment; without it, no variable sets the list.
        env_separator: Option<char>,
    },
}

/// What one layer says about one setting: its values, each with its place; none empties a list.
pub(super) struct Given {
    /// The setting.
    pub(super) setting: &'static Setting,
    /// The values, as written.
    pub(super) values: Vec<(String, Origin)>,
}

impl Setting {
    /// The setting of this name.
    pub(super) fn find(name: &str) -> Option<&'static Self> {
        SETTINGS.iter().find(|setting| setting.name == name)
    }

    /// The environment variable that sets it, if one does.
    pub fn environment(&self) -> Option<String> {
        match self.repeat {
            Repeat::Once | Repeat::Many { env_separator: Some(_) } => Some(self.name_in_environment()),
            Repeat::Many { env_separator: None } => None,
        }
    }

    /// The name that its environment variable has, or would have.
    pub(super) fn name_in_environment(&self) -> String {
        ENVIRONMENT_PREFIX.to_owned() + &self.name.replace('-', "_").to_uppercase()
    }

    /// Whether its value must not be shown to anyone.
    pub fn secret(&self) -> bool {
        self.name == SECRET
    }

    /// Whether its flag may be repeated.
    pub fn repeats(&self) -> bool {
        matches!(self.repeat, Repeat::Many { .. })
    }

    /// Checks one value on its own.
    ///
    /// # Errors
    /// What was expected instead.
    pub fn check(&self, text: &str) -> Result<(), Refusal> {
        self.store(&mut defaults(), text)
    }

    /// Checks one value and stores it; a list grows by it.
    pub(super) fn store(&self, config: &mut Config, text: &str) -> Result<(), Refusal> {
        (self.set)(config, text)
    }

    /// The mistake of giving a refused value at this place.
    pub(super) fn mistake(&self, origin: Origin, text: &str, refusal: Refusal) -> Mistake {
        let name = match origin {
            Origin::Flag => format!("--{}", self.name),
            Origin::Environment => self.environment().unwrap_or_else(|| self.name.to_owned()),
            Origin::File { .. } | Origin::Path(_) | Origin::Nowhere => self.name.to_owned(),
        };
        let shown = if self.secret() { "a secret that does not fit".to_owned() } else { shown(text) };
        Mistake {
            what: format!("`{name}` is {shown}: {}", refusal.expected),
            fix: format!("write `{}`", self.assignment(&origin, refusal.example.as_deref())),
            origin,
        }
    }

    /// How a value, else the default, else the placeholder, is given at this place.
    pub(super) fn assignment(&self, origin: &Origin, example: Option<&str>) -> String {
        let usual = if self.default.is_empty() { self.value } else { self.default };
        let value = example.unwrap_or(usual);
        match origin {
            Origin::Flag => format!("--{} {value}", self.name),
            Origin::Environment => format!("{}={value}", self.environment().unwrap_or_default()),
            Origin::File { .. } | Origin::Path(_) | Origin::Nowhere if self.repeats() => {
                format!("{} = [{value:?}]", self.name)
            }
            Origin::File { .. } | Origin::Path(_) | Origin::Nowhere if is_number(value) => {
                format!("{} = {value}", self.name)
            }
            Origin::File { .. } | Origin::Path(_) | Origin::Nowhere => format!("{} = {value:?}", self.name),
        }
    }
}

/// A configuration in which every setting has its default, stored the way any other value is; lists are
/// empty, since what is stored next would come on top.
pub(super) fn defaults() -> Config {
    let mut config = blank();
    for setting in SETTINGS.iter().filter(|setting| !setting.default.is_empty() && !setting.repeats()) {
        setting
            .store(&mut config, setting.default)
            .expect("defaults: each is accepted by its own setting, which a test keeps");
    }
    config
}

/// The candidate that was probably meant.
pub(super) fn closest(name: &str, candidates: impl Iterator<Item = String>) -> Option<String> {
    let meant = name.replace('_', "-").to_lowercase();
    candidates
        .map(|candidate| {
            (strsim::osa_distance(&meant, &candidate.replace('_', "-").to_lowercase()), candidate)
        })
        .filter(|(distance, candidate)| *distance <= candidate.len() / 3)
        .min()
        .map(|(_, candidate)| candidate)
}

/// A refused value as it may be repeated: on one line, bounded, and without what follows a `=`,
/// which may be a secret.
fn shown(text: &str) -> String {
    if is_number(text) {
        return text.to_owned();
    }
    let (head, hidden) = text.split_once('=').map_or((text, ""), |(head, _)| (head, "=…"));
    match head.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{:?}", format!("{}…", &head[..end])),
        None => format!("{:?}", format!("{head}{hidden}")),
    }
}

fn is_number(text: &str) -> bool {
    (1..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The configuration before any setting is stored; no field keeps its value here.
fn blank() -> Config {
    Config {
        handlers: Vec::new(),
        watch: false,
        net: NetConfig {
            listen: Vec::new(),
            proxies: ProxyConfig { trusted: Vec::new(), forwarded_by: ForwardedBy::XForwarded },
            tls: TlsSettings {
                cert: None,
                key: None,
                client_ca: None,
                handshakes_max: 0,
                handshake_timeout: Duration::ZERO,
            },
            connections_max: 0,
            body_bytes_max: 0,
            uri_bytes_max: 0,
            header_bytes_max: 0,
            concurrent_streams_max: 0,
            header_timeout: Duration::ZERO,
            idle_timeout: Duration::ZERO,
            body_timeout: Duration::ZERO,
            write_timeout: Duration::ZERO,
            drain_delay: Duration::ZERO,
            drain_timeout: Duration::ZERO,
        },
        admin: AdminConfig { listen: AdminListen::Off, token: None },
        admission: AdmissionConfig {
            instances: NonZeroU32::MIN,
            concurrency: NonZeroU32::MIN,
            queue_max: 0,
            queue_share_percent: 0,
            queue_timeout: Duration::ZERO,
            streams_max: 0,
            memory_pressure_percent: None,
            rate_client: None,
            rate_handler: None,
        },
        executor: ExecutorConfig {
            threads: NonZeroU32::MIN,
            slice: Duration::ZERO,
            busy_after: Duration::ZERO,
            hog_after: Duration::ZERO,
            busy_nice: 0,
            hog_priority: HogPriority::Idle,
            pin_threads: false,
        },
        limits: Limits {
            timeout: Duration::ZERO,
            cpu_time: Duration::ZERO,
            fuel: None,
            memory_bytes_max: 0,
            stack_bytes_max: 0,
            handles_max: 0,
            hostcall_bytes_max: 0,
            random_bytes_max: 0,
            fields_bytes_max: 0,
            log_bytes_max: 0,
            outbound_max: 0,
        },
        reuse: Reuse::BLANK,
        code_profile: CodeProfile::Auto,
        grants: Grants::default(),
        middleware: Vec::new(),
        registries: Settings { plain_http: Vec::new(), timeout: Duration::ZERO },
        require_signature: Vec::new(),
        log_format: LogFormat::Human,
        compile: CompileConfig::blank(),
        deploy: DeployConfig::blank(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_spelled_alike_in_every_layer() {
        let setting = Setting::find("queue-timeout").unwrap();
        assert_eq!(setting.environment().as_deref(), Some("WASM_HOST_QUEUE_TIMEOUT"));
        assert_eq!(setting.assignment(&Origin::Flag, None), "--queue-timeout 1s");
        assert_eq!(setting.assignment(&Origin::Environment, None), "WASM_HOST_QUEUE_TIMEOUT=1s");
        assert_eq!(setting.assignment(&Origin::Path("".into()), None), "queue-timeout = \"1s\"");
        let list = Setting::find("allow-outbound").unwrap();
        assert_eq!(list.assignment(&Origin::Path("".into()), None), "allow-outbound = [\"HOST:PORT\"]");
    }

    #[test]
    fn slips_of_the_pen_are_understood() {
        let names = || SETTINGS.iter().map(|setting| setting.name.to_owned());
        for (written, meant) in [
            ("instanecs", Some("instances")),
            ("queue_timeout", Some("queue-timeout")),
            ("Listen", Some("listen")),
            ("max-bdy", Some("max-body")),
            ("colour", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(closest(written, names()).as_deref(), meant, "{written}");
        }
    }

    #[test]
    fn secrets_and_long_values_are_not_repeated() {
        assert_eq!(shown("0"), "0");
        assert_eq!(shown("TOKEN=hunter2"), "\"TOKEN=…\"");
        assert_eq!(shown("a\nb"), "\"a\\nb\"");
        assert!(shown(&"é".repeat(1000)).chars().count() < 70);
    }
}
