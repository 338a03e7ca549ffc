//! The settings file as a JSON Schema, made from the table of settings so that it cannot drift from what is
//! accepted. <https://json-schema.org/draft/2020-12>

use super::handler::{OWN, own_setting};
use super::setting::{SETTINGS, Setting};
use serde_json::{Map, Value, json};

/// The schema of `wasm-host.toml`.
pub fn schema() -> Value {
    let mut properties: Map<String, Value> = SETTINGS.iter().map(property).collect();
    let component =
        json!({ "type": "string", "description": "A component: a path relative to this file, or oci://…" });
    properties.insert("component".to_owned(), component.clone());
    let mut own: Map<String, Value> = OWN.into_iter().filter_map(own_setting).map(property).collect();
    own.insert("component".to_owned(), component);
    own.insert("routes".to_owned(), one_or_list(&route()));
    own.insert(
        "route-header".to_owned(),
        json!({ "type": "boolean", "description": "Whether requests carry the pattern in x-wasm-host-route" }),
    );
    properties.insert(
        "handlers".to_owned(),
        json!({
            "type": "object",
            "description": "Handlers by their names",
            "propertyNames": { "pattern": "^[a-z0-9][a-z0-9-]{0,62}$" },
            "additionalProperties": {
                "type": "object",
                "properties": own,
                "required": ["component"],
                "additionalProperties": false,
            },
        }),
    );
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "wasm-host.toml",
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    })
}

fn property(setting: &'static Setting) -> (String, Value) {
    let one = json!({ "type": ["string", "integer"] });
    let mut schema = match setting.name {
        "env" => {
            let table = json!({ "type": "object", "additionalProperties": { "type": "string" } });
            json!({ "anyOf": [table, { "type": "string" }, { "type": "array", "items": { "type": "string" } }] })
        }
        _ if setting.repeats() => one_or_list(&one),
        _ => one,
    };
    schema["description"] = setting.help.into();
    if !setting.default.is_empty() {
        schema["default"] = setting.default.into();
    }
    (setting.name.to_owned(), schema)
}

fn route() -> Value {
    let text = json!({ "type": "string" });
    json!({ "anyOf": [text, {
        "type": "object",
        "properties": { "host": text, "path": text, "methods": { "type": "array", "items": text } },
        "additionalProperties": false,
    }] })
}

fn one_or_list(one: &Value) -> Value {
    json!({ "anyOf": [one, { "type": "array", "items": one }] })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a value fits, as far as schemas here go.
    fn fits(schema: &Value, value: &Value) -> bool {
        let kind = match value {
            Value::String(_) => "string",
            Value::Number(_) => "integer",
            Value::Bool(_) => "boolean",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
            Value::Null => "null",
        };
        let of_kind = match (schema["type"].as_str(), schema["type"].as_array()) {
            (Some(one), _) => one == kind,
            (None, Some(kinds)) => kinds.iter().any(|one| one == kind),
            (None, None) => true,
        };
        let any = schema["anyOf"].as_array().is_none_or(|any| any.iter().any(|schema| fits(schema, value)));
        let items =
            value.as_array().is_none_or(|items| items.iter().all(|item| fits(&schema["items"], item)));
        let entries = value.as_object().is_none_or(|entries| {
            entries.iter().all(|(key, value)| {
                let (known, more) = (&schema["properties"][key], &schema["additionalProperties"]);
                if known.is_object() {
                    fits(known, value)
                } else {
                    more.as_bool().unwrap_or_else(|| fits(more, value))
                }
            })
        });
        of_kind && any && items && entries
    }

    fn toml(text: &str) -> Value {
        serde_json::to_value(toml::from_str::<toml::Table>(text).expect("TOML")).expect("JSON")
    }

    #[test]
    fn every_setting_is_in_it() {
        let schema = schema();
        for setting in SETTINGS {
            assert!(schema["properties"][setting.name].is_object(), "{}", setting.name);
        }
        for key in OWN {
            let handler = &schema["properties"]["handlers"]["additionalProperties"];
            assert!(handler["properties"][key].is_object(), "{key}");
        }
    }

    #[test]
    fn examples_fit_and_mistakes_do_not() {
        let schema = schema();
        let readme = include_str!("../../../README.md");
        let mut examples = vec![include_str!("../../../guest/wasm-host.toml")];
        examples.extend(readme.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()));
        assert!(examples.len() >= 3, "the README has examples");
        for example in examples {
            assert!(fits(&schema, &toml(example)), "{example}");
        }
        for mistake in
            ["instancse = 1", "instances = 1.5e0\nx = 1", "[handlers.a]\ninstances = 1", "handlers = 1"]
        {
            assert!(!fits(&schema, &toml(mistake)), "{mistake}");
        }
    }
}
