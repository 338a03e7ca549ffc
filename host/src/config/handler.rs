//! One handler as it is set: what is written about it, and the terms that come of it together with the
//! host's own settings, which are every handler's defaults and what it may have at most.

use super::component::ComponentSource;
use super::mistake::{Mistake, Mistakes, Origin};
use super::setting::{Setting, closest};
use super::{CodeProfile, Config, Grants, Limits, Rate, Reuse};
use crate::routing::Route;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

/// Settings that a handler may have for itself.
pub(super) const OWN: [&str; 23] = [
    "timeout",
    "cpu-time",
    "fuel",
    "memory",
    "max-handles",
    "max-hostcall",
    "max-random",
    "max-fields",
    "max-outbound",
    "max-log",
    "concurrency",
    "rate-limit-handler",
    "env",
    "max-outbound-total",
    "allow-outbound",
    "middleware",
    "reuse",
    "reuse-concurrency",
    "reuse-idle",
    "reuse-memory",
    "warm",
    "warm-age",
    "code-profile",
];

/// Bytes of a name at most: it is a label of metrics, and may be one of DNS.
const NAME_BYTES_MAX: usize = 63;

/// What a handler is called: small letters, digits and `-`, and no `-` at the beginning.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct HandlerName(Arc<str>);

/// A name that is none.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "{0:?} is no name of a handler: expected up to 63 small letters, digits and `-`, the first one not a `-`"
)]
pub struct BadName(String);

/// What is written about one handler, beside its name and its component. The same text comes from the
/// settings file, from a command line and over the network, and can be kept.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct HandlerSpec {
    /// Where it is served; `/NAME` and below if there is nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<Route>,
    /// Whether it is told the pattern of its route.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub route_header: bool,
    /// Its own settings, by their names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, Values>,
}

/// The value of a setting, or those of a list, as written.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(from = "Written", into = "Written")]
pub struct Values(pub Vec<String>);

#[derive(Deserialize, Serialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Number(u64),
    List(Vec<String>),
    Table(BTreeMap<String, String>),
}

/// A handler that is to be served.
#[derive(Clone, Debug)]
pub struct HandlerConfig {
    /// What it is called.
    pub name: HandlerName,
    /// What is served.
    pub source: ComponentSource,
    /// On which terms.
    pub terms: Terms,
    /// Where that is written.
    pub origin: Origin,
    /// The settings of its own: as they are written, and where.
    pub own: Vec<(&'static Setting, Vec<String>, Origin)>,
}

/// On which terms a handler is served.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Where.
    pub routes: Vec<Route>,
    /// Components that stand in front of it, the outermost first.
    pub middleware: Vec<ComponentSource>,
    /// What one of its instances may use.
    pub limits: Limits,
    /// How long an instance lives beyond the request that it was made for.
    pub reuse: Reuse,
    /// What its code is compiled for.
    pub code_profile: CodeProfile,
    /// What it is granted by name.
    pub grants: Grants,
    /// Its instances alive at once.
    pub concurrency: NonZeroU32,
    /// How often all of its clients may ask.
    pub rate: Option<Rate>,
    /// Whether it is told the pattern of its route.
    pub route_header: bool,
}

impl Terms {
    /// The host's own settings, at these routes.
    pub(super) fn of_host(host: &Config, routes: Vec<Route>) -> Self {
        Self {
            routes,
            middleware: host.middleware.clone(),
            limits: host.limits,
            reuse: host.reuse,
            code_profile: host.code_profile,
            grants: host.grants.clone(),
            concurrency: host.admission.concurrency,
            rate: host.admission.rate_handler,
            route_header: false,
        }
    }

    /// The terms of a handler of which `spec` is written.
    ///
    /// # Errors
    /// Every setting that is unknown, refused or beyond the host's own.
    pub fn resolve(spec: &HandlerSpec, name: &HandlerName, host: &Config) -> Result<Self, Mistakes> {
        let mut mistakes = Vec::new();
        let terms = Self::resolve_at(spec, name, host, |_| Origin::Nowhere, &mut mistakes);
        Mistakes::among(mistakes).map(|()| terms)
    }

    /// The same, with the place of every setting.
    pub(super) fn resolve_at(
        spec: &HandlerSpec,
        name: &HandlerName,
        host: &Config,
        origin: impl Fn(&str) -> Origin,
        mistakes: &mut Vec<Mistake>,
    ) -> Self {
        let mut own = host.clone();
        for (key, Values(values)) in &spec.settings {
            let Some(setting) = own_setting(key) else {
                mistakes.push(unknown(key, origin(key)));
                continue;
            };
            clear(&mut own, setting);
            for value in values {
                if let Err(refusal) = setting.store(&mut own, value) {
                    mistakes.push(setting.mistake(origin(key), value, refusal));
                }
            }
        }
        let given = |key: &&str| spec.settings.contains_key(*key);
        for key in beyond(&own, host).into_iter().filter(given) {
            mistakes.push(Mistake {
                what: format!("`{key}` of `{name}` is more than the host's own"),
                fix: format!("write at most what `{key}` of the host is, or raise that"),
                origin: origin(key),
            });
        }
        if let Some((what, fix)) = own.reuse.contradiction(own.limits.fuel)
            && let Some(key) = ["reuse-concurrency", "reuse", "fuel"].iter().find(|key| given(key))
        {
            let what = format!("{what} (handler `{name}`)");
            mistakes.push(Mistake { what, fix: fix.to_owned(), origin: origin(key) });
        }
        let routes = if spec.routes.is_empty() { name.usual_routes() } else { spec.routes.clone() };
        Self { route_header: spec.route_header, ..Self::of_host(&own, routes) }
    }
}

/// The settings that a handler may have for itself.
pub fn own_settings() -> impl Iterator<Item = &'static Setting> {
    OWN.into_iter().filter_map(Setting::find)
}

/// The setting of this name, if a handler may have it for itself.
pub(super) fn own_setting(name: &str) -> Option<&'static Setting> {
    OWN.contains(&name).then(|| Setting::find(name)).flatten()
}

/// The mistake of an unknown setting of a handler.
pub(super) fn unknown(key: &str, origin: Origin) -> Mistake {
    let keys = OWN.iter().chain(&["component", "routes", "route-header"]).map(|key| (*key).to_owned());
    let fix = match (closest(key, keys), Setting::find(key)) {
        (_, Some(_)) => format!("write `{key}` above all `[handlers.…]`: it is the whole host's"),
        (Some(meant), None) => format!("did you mean `{meant}`?"),
        (None, None) => "remove it; the README lists what a handler may have for itself".to_owned(),
    };
    Mistake { origin, what: format!("unknown key {key:?} of a handler"), fix }
}

/// A list replaces that of the host.
fn clear(config: &mut Config, setting: &Setting) {
    match setting.name {
        "env" => config.grants.env.clear(),
        "allow-outbound" => config.grants.outbound.clear(),
        "middleware" => config.middleware.clear(),
        _ => {}
    }
}

/// The settings by which a handler would have more than the host allows.
fn beyond(own: &Config, host: &Config) -> Vec<&'static str> {
    let (limits, most) = (&own.limits, &host.limits);
    let fuel = |limits: &Limits| limits.fuel.unwrap_or(u64::MAX);
    [
        ("timeout", limits.timeout > most.timeout),
        ("cpu-time", limits.cpu_time > most.cpu_time),
        ("fuel", fuel(limits) > fuel(most)),
        ("memory", limits.memory_bytes_max > most.memory_bytes_max),
        ("max-handles", limits.handles_max > most.handles_max),
        ("max-hostcall", limits.hostcall_bytes_max > most.hostcall_bytes_max),
        ("max-random", limits.random_bytes_max > most.random_bytes_max),
        ("max-fields", limits.fields_bytes_max > most.fields_bytes_max),
        ("max-log", limits.log_bytes_max > most.log_bytes_max),
        ("max-outbound", limits.outbound_max > most.outbound_max),
        ("max-outbound-total", own.grants.outbound_max > host.grants.outbound_max),
        ("concurrency", own.admission.concurrency > host.admission.instances),
    ]
    .into_iter()
    .filter_map(|(key, beyond)| beyond.then_some(key))
    .collect()
}

impl HandlerName {
    /// Reads a name.
    ///
    /// # Errors
    /// What is no name.
    pub fn parse(text: &str) -> Result<Self, BadName> {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        match (1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(fits) && !text.starts_with('-') {
            true => Ok(Self(text.into())),
            false => Err(BadName(text.chars().take(NAME_BYTES_MAX).collect())),
        }
    }

    /// The name that comes closest to what a file is called.
    pub(super) fn near(text: &str) -> Self {
        let fitting = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
        let near: String = text.chars().map(fitting).skip_while(|c| *c == '-').take(NAME_BYTES_MAX).collect();
        Self::parse(&near).unwrap_or_else(|_| Self("handler".into()))
    }

    /// Where a handler of this name is served if nothing else is said.
    pub fn usual_routes(&self) -> Vec<Route> {
        [format!("/{self}"), format!("/{self}/"), format!("/{self}/{{*rest}}")]
            .iter()
            .map(|route| route.parse().expect("a name is a segment of a path"))
            .collect()
    }

    /// The name, to be shared.
    pub fn shared(&self) -> Arc<str> {
        self.0.clone()
    }
}

impl fmt::Display for HandlerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for HandlerName {
    type Error = BadName;

    fn try_from(text: String) -> Result<Self, BadName> {
        Self::parse(&text)
    }
}

impl From<HandlerName> for String {
    fn from(name: HandlerName) -> Self {
        name.to_string()
    }
}

impl From<Written> for Values {
    fn from(written: Written) -> Self {
        Self(match written {
            Written::Text(text) => vec![text],
            Written::Number(number) => vec![number.to_string()],
            Written::List(list) => list,
            Written::Table(table) => {
                table.into_iter().map(|(name, value)| format!("{name}={value}")).collect()
            }
        })
    }
}

impl From<Values> for Written {
    fn from(Values(mut values): Values) -> Self {
        match values.len() {
            1 => Self::Text(values.remove(0)),
            _ => Self::List(values),
        }
    }
}

#[cfg(test)]
mod tests;
