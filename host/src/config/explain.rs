//! The settings as they were resolved, each with where its value comes from, in the form of a settings file.

use super::handler::HandlerConfig;
use super::layers::Sources;
use super::mistake::{Mistakes, Origin};
use super::setting::{SETTINGS, Setting};
use std::fmt::Write as _;

impl Sources {
    /// What a start would make of all layers.
    ///
    /// # Errors
    /// Every mistake of every layer.
    pub fn explain(&self) -> Result<String, Mistakes> {
        let mut layers = self.read();
        let host = layers.merged.clone();
        let handlers = self.find(&mut layers, &host);
        let mut text = String::new();
        for setting in SETTINGS {
            let (values, origin) = match layers.given(setting) {
                Some(given) => {
                    let values = given.iter().map(|(value, _)| value.clone()).collect();
                    (
                        values,
                        given.first().map_or("an empty list".to_owned(), |(_, origin)| origin.to_string()),
                    )
                }
                None if setting.default.is_empty() => (Vec::new(), "default".to_owned()),
                None => (vec![setting.default.to_owned()], "default".to_owned()),
            };
            line(&mut text, setting, &values, &origin);
        }
        layers.sound()?;
        for handler in &handlers {
            told(&mut text, handler);
        }
        Ok(text)
    }
}

fn told(text: &mut String, handler: &HandlerConfig) {
    let routes: Vec<String> =
        handler.terms.routes.iter().map(|route| format!("{:?}", route.to_string())).collect();
    let origin = match &handler.origin {
        Origin::Nowhere => "default".to_owned(),
        Origin::Flag | Origin::Environment | Origin::File { .. } | Origin::Path(_) => {
            handler.origin.to_string()
        }
    };
    let component = handler.source.shown();
    let _ = write!(
        text,
        "\n[handlers.{}]\ncomponent = {component:?}  # {origin}\nroutes = [{}]\n",
        handler.name,
        routes.join(", ")
    );
    if handler.terms.route_header {
        text.push_str("route-header = true\n");
    }
    for (setting, values, origin) in &handler.own {
        line(text, setting, values, &origin.to_string());
    }
}

fn line(text: &mut String, setting: &Setting, values: &[String], origin: &str) {
    let shown = |value: &String| match (setting.secret(), setting.name, value.split_once('=')) {
        (true, _, _) => "\"…\"".to_owned(),
        // What is handed to a handler may be a secret.
        (false, "env", Some((name, _))) => format!("{:?}", format!("{name}=…")),
        (false, _, _) => format!("{value:?}"),
    };
    let values: Vec<String> = values.iter().map(shown).collect();
    let _ = match (setting.repeats(), values.first()) {
        (true, _) => writeln!(text, "{} = [{}]  # {origin}", setting.name, values.join(", ")),
        (false, Some(value)) => writeln!(text, "{} = {value}  # {origin}", setting.name),
        (false, None) => writeln!(text, "# {} is not set", setting.name),
    };
}
