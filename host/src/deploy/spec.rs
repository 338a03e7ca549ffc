//! What somebody writes about a version: the keys of a handler's section in the settings file, and what is
//! asked of it before it answers anyone.

use super::refusal::{Refusal, RefusalReason};
use crate::config::{Config, HandlerName, HandlerSpec, Terms, Values};
use crate::routing::Route;
use http::uri::PathAndQuery;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Bytes of the path that a trial asks for.
const CHECK_BYTES_MAX: usize = 2048;
/// Of all that is written about a version.
const SPEC_BYTES_MAX: usize = 256 * 1024;
/// The one setting of a handler that a deployment cannot have: it names files of the host's.
const MIDDLEWARE: &str = "middleware";

/// The settings of a version: the keys of a handler's section in the settings file, and `check`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Spec {
    /// Where it is served; `/NAME` and below if there is nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<String>")]
    pub routes: Vec<Route>,
    /// Whether it is told the pattern of its route.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub route_header: bool,
    /// A path that has to answer below 500 before the version answers anyone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<String>,
    /// Its own settings, by their names.
    #[serde(flatten)]
    #[schemars(with = "BTreeMap<String, Setting>")]
    pub settings: BTreeMap<String, Values>,
}

/// How the value of a setting may be written.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[allow(dead_code, reason = "it is there for its schema")]
enum Setting {
    Text(String),
    Number(u64),
    List(Vec<String>),
    Table(BTreeMap<String, String>),
}

impl Spec {
    /// Reads what came with a request.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let spec: Self = serde_json::from_str(text).map_err(|error| bad(format!("settings: {error}")))?;
        spec.sound()
    }

    /// The same, of what is read already.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn sound(self) -> Result<Self, Refusal> {
        if self.text_bytes() > SPEC_BYTES_MAX {
            return Err(bad(format!("the settings are longer than {SPEC_BYTES_MAX} bytes")));
        }
        match &self.check {
            Some(check) if !is_path(check) => Err(bad(format!(
                "`check` is {:?}: expected a path such as `/healthz`, of {CHECK_BYTES_MAX} bytes at most",
                check.chars().take(60).collect::<String>()
            ))),
            Some(_) | None => Ok(self),
        }
    }

    /// What the store keeps.
    pub(super) fn to_map(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(map)) => map,
            Ok(_) | Err(_) => unreachable!("a spec: text keys, and values that are JSON"),
        }
    }

    /// What the store has kept.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn of_map(map: &Map<String, Value>) -> Result<Self, Refusal> {
        serde_json::from_value(Value::Object(map.clone())).map_err(|error| bad(error.to_string()))
    }

    /// On which terms the version is served.
    ///
    /// # Errors
    /// Every setting that is unknown, refused or beyond the host's own.
    pub(super) fn terms(&self, name: &HandlerName, host: &Config) -> Result<Terms, Refusal> {
        if self.settings.contains_key(MIDDLEWARE) {
            return Err(bad(format!(
                "`{MIDDLEWARE}` names files of the host: what stands in front of deployments is set there"
            )));
        }
        let written = HandlerSpec {
            routes: self.routes.clone(),
            route_header: self.route_header,
            settings: self.settings.clone(),
        };
        Terms::resolve(&written, name, host).map_err(|mistakes| bad(mistakes.to_string()))
    }

    /// What may be shown of the settings: not the values of variables, which may be secrets.
    pub(super) fn shown(&self) -> BTreeMap<String, Vec<String>> {
        let shown = |name: &str, value: &String| match (name, value.split_once('=')) {
            ("env", Some((variable, _))) => format!("{variable}=…"),
            (_, _) => value.clone(),
        };
        let values = |(name, Values(values)): (&String, &Values)| {
            (name.clone(), values.iter().map(|value| shown(name, value)).collect())
        };
        self.settings.iter().map(values).collect()
    }

    fn text_bytes(&self) -> usize {
        serde_json::to_vec(self).map_or(usize::MAX, |text| text.len())
    }
}

fn is_path(text: &str) -> bool {
    text.len() <= CHECK_BYTES_MAX && text.starts_with('/') && text.parse::<PathAndQuery>().is_ok()
}

fn bad(detail: String) -> Refusal {
    Refusal::new(RefusalReason::BadSettings, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let text = r#"{"routes":["GET /x"],"route-header":true,"check":"/up?a=1","timeout":"2s","concurrency":3,
            "env":{"A":"1","B":"2"},"allow-outbound":["a.example:443","b.example:80"]}"#;
        let spec = Spec::parse(text).expect("a spec");
        assert_eq!(Spec::of_map(&spec.to_map()), Ok(spec.clone()));
        assert_eq!(spec.settings["env"].0, ["A=1", "B=2"]);
        assert_eq!(spec.shown()["env"], ["A=…", "B=…"]);
        assert_eq!(spec.shown()["timeout"], ["2s"]);
        assert_eq!(Spec::parse("{}").map(|spec| spec.to_map().len()), Ok(0));
    }

    #[test]
    fn what_cannot_be_used_is_refused() {
        let long = format!(r#"{{"env":["A={}"]}}"#, "x".repeat(SPEC_BYTES_MAX));
        for text in [
            "",
            "[]",
            r#"{"routes":["x y z"]}"#,
            r#"{"check":"no-path"}"#,
            r#"{"check":"/a b"}"#,
            r#"{"timeout":1.5}"#,
            r#"{"timeout":null}"#,
            &long,
        ] {
            assert!(Spec::parse(text).is_err(), "{text:.40}");
        }
    }
}
