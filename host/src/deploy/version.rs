//! A version: one component with its settings, named by what it is, so that it can never change.

use crate::digest::Digest;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// Digits that are shown where people read; enough that no two of a handler's versions share them.
const SHORT_DIGITS: usize = 12;

/// Names a version: the digest of its canonical text, as 64 hexadecimal digits.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct VersionId(pub(super) Digest);

/// A text is no version's name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("expected the 64 lower-case hexadecimal digits of a version")]
pub struct NotAVersion;

impl VersionId {
    /// The first digits, for people.
    pub fn short(&self) -> String {
        let mut text = self.0.hex();
        text.truncate(SHORT_DIGITS);
        text
    }
}

impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.hex())
    }
}

impl fmt::Debug for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.short())
    }
}

impl FromStr for VersionId {
    type Err = NotAVersion;

    fn from_str(text: &str) -> Result<Self, NotAVersion> {
        format!("sha256:{text}").parse().map(Self).map_err(|_| NotAVersion)
    }
}

impl Serialize for VersionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for VersionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A component with its settings.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Version {
    /// The component, by the digest of its bytes.
    pub component: Digest,
    /// Bytes of the component.
    pub component_bytes: u64,
    /// Where it was fetched from, if it did not come with the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Who has signed it, as `FILE.sig` says it, if that came with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signatures: Option<String>,
    /// Its settings, as they are written: the values of a handler's section in the settings file.
    pub settings: Map<String, Value>,
}

impl Version {
    /// The version as text: JSON with sorted keys and no spaces, the same for the same version always.
    pub fn text(&self) -> String {
        let value = serde_json::to_value(self).expect("a version: text keys, and values that are JSON");
        canonical(&value)
    }

    /// The name that follows from the text.
    pub fn id(&self) -> VersionId {
        VersionId(Digest::of(self.text().as_bytes()))
    }
}

/// JSON without spaces and with sorted keys, whichever order the map keeps them in.
pub(super) fn canonical(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let sorted: BTreeMap<_, _> = map.iter().collect();
            let members = sorted
                .iter()
                .map(|(key, value)| format!("{}:{}", Value::String((*key).clone()), canonical(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(","))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

#[cfg(test)]
impl Version {
    /// A version of this component, with a setting that tells it from others.
    pub(super) fn sample(component: &[u8], timeout: &str) -> Self {
        let settings = [("timeout".to_owned(), Value::from(timeout))];
        Self {
            component: Digest::of(component),
            component_bytes: component.len() as u64,
            source: None,
            signatures: None,
            settings: settings.into_iter().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_follows_from_component_and_settings_alone() {
        let one = Version::sample(b"a", "1s");
        assert_eq!(one.id(), Version::sample(b"a", "1s").id());
        assert_ne!(one.id(), Version::sample(b"b", "1s").id());
        assert_ne!(one.id(), Version::sample(b"a", "2s").id());
        let read: Version = serde_json::from_str(&one.text()).expect("its own text");
        assert_eq!((read.id(), &read), (one.id(), &one));
    }

    #[test]
    fn the_order_of_keys_makes_no_difference() {
        let text = |json: &str| canonical(&serde_json::from_str(json).expect("test"));
        assert_eq!(
            text(r#"{ "b": [1, {"d":"\u00e9\"", "c":null}], "a": true }"#),
            text(r#"{"a":true,"b":[1,{"c":null,"d":"é\""}]}"#)
        );
        assert_eq!(text(r#"{"b":1,"a":2}"#), r#"{"a":2,"b":1}"#);
    }
}
