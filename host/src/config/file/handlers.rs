//! The part of the settings file that names handlers: `[handlers.NAME]`, each with its component, its
//! routes and what it has for itself.

use super::{COMPONENT, ENV, Reader, kind};
use crate::config::component::ComponentSource;
use crate::config::handler::{HandlerName, HandlerSpec, Values, own_setting, unknown};
use crate::config::mistake::Origin;
use crate::config::setting::Setting;
use crate::routing::{Route, RouteError};
use std::collections::BTreeMap;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

/// The table of handlers.
pub(super) const HANDLERS: &str = "handlers";
const ROUTES: &str = "routes";
const ROUTE_HEADER: &str = "route-header";

/// One handler as the file names it.
pub(in crate::config) struct WrittenHandler {
    pub(in crate::config) name: HandlerName,
    /// Where its table begins.
    pub(in crate::config) origin: Origin,
    pub(in crate::config) component: Option<(ComponentSource, Origin)>,
    pub(in crate::config) spec: HandlerSpec,
    /// Where each of its routes is written.
    pub(in crate::config) route_origins: Vec<Origin>,
    /// Where each of its settings is written.
    pub(in crate::config) setting_origins: BTreeMap<String, Origin>,
}

impl Reader<'_> {
    /// The whole table.
    pub(super) fn handlers(&mut self, value: &Spanned<DeValue<'_>>) {
        let DeValue::Table(handlers) = value.get_ref() else {
            let what = format!("`{HANDLERS}` is {}: expected a table", kind(value.get_ref()));
            return self.report(
                value.span().start,
                what,
                "write `[handlers.hello]` and its keys below".to_owned(),
            );
        };
        self.file.names_handlers = true;
        for (key, value) in handlers {
            self.handler(key, value);
        }
    }

    fn handler(&mut self, key: &Spanned<DeString<'_>>, value: &Spanned<DeValue<'_>>) {
        let at = key.span().start;
        let name = match HandlerName::parse(key.get_ref()) {
            Ok(name) => name,
            Err(bad) => return self.report(at, bad.to_string(), "rename the handler".to_owned()),
        };
        let DeValue::Table(table) = value.get_ref() else {
            let what = format!("the handler `{name}` is {}: expected a table", kind(value.get_ref()));
            return self.report(at, what, format!("write `[{HANDLERS}.{name}]` and its keys below"));
        };
        let mut handler = WrittenHandler {
            name,
            origin: self.origin(at),
            component: None,
            spec: HandlerSpec::default(),
            route_origins: Vec::new(),
            setting_origins: BTreeMap::new(),
        };
        for (key, value) in table {
            self.key(&mut handler, key, value);
        }
        if handler.component.is_none() && !table.contains_key(COMPONENT) {
            let what = format!("the handler `{}` has no `{COMPONENT}`", handler.name);
            self.report(at, what, format!("write `{COMPONENT} = \"{}.wasm\"` below it", handler.name));
        }
        self.file.handlers.push(handler);
    }

    fn key(
        &mut self,
        handler: &mut WrittenHandler,
        key: &Spanned<DeString<'_>>,
        value: &Spanned<DeValue<'_>>,
    ) {
        let name = key.get_ref().as_ref();
        match (name, value.get_ref()) {
            (COMPONENT, _) => handler.component = self.component(value),
            (ROUTES, DeValue::Array(routes)) => {
                for route in routes {
                    self.route(handler, route);
                }
                if routes.is_empty() {
                    let what = format!("`{ROUTES}` of `{}` is empty: nothing would lead to it", handler.name);
                    let fix = "name a route, or leave `routes` out for the usual ones";
                    self.report(value.span().start, what, fix.to_owned());
                }
            }
            (ROUTES, _) => self.route(handler, value),
            (ROUTE_HEADER, DeValue::Boolean(asked)) => handler.spec.route_header = *asked,
            (ROUTE_HEADER, other) => {
                let what = format!("`{ROUTE_HEADER}` is {}: expected a truth value", kind(other));
                self.report(value.span().start, what, format!("write `{ROUTE_HEADER} = true`"));
            }
            _ => match own_setting(name) {
                Some(setting) => self.own(handler, setting, value),
                None => {
                    let origin = self.origin(key.span().start);
                    self.mistakes.push(unknown(name, origin));
                }
            },
        }
    }

    fn own(&mut self, handler: &mut WrittenHandler, setting: &'static Setting, value: &Spanned<DeValue<'_>>) {
        let items = match (value.get_ref().as_table(), value.get_ref().as_array()) {
            (Some(table), _) if setting.name == ENV => self.variables(table),
            (_, Some(items)) if setting.repeats() => {
                items.iter().filter_map(|item| self.value(setting, item)).collect()
            }
            (Some(_) | None, Some(_) | None) => self.value(setting, value).into_iter().collect(),
        };
        let values = Values(items.into_iter().map(|(text, _)| text).collect());
        handler.setting_origins.insert(setting.name.to_owned(), self.origin(value.span().start));
        handler.spec.settings.insert(setting.name.to_owned(), values);
    }

    fn route(&mut self, handler: &mut WrittenHandler, value: &Spanned<DeValue<'_>>) {
        let at = value.span().start;
        let read = match value.get_ref() {
            DeValue::String(text) => text.parse::<Route>(),
            DeValue::Table(table) => match self.parts(table) {
                Some(route) => route,
                None => return,
            },
            other @ (DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)) => {
                let what =
                    format!("a route of `{}` is {}: expected a string or a table", handler.name, kind(other));
                let fix = "write `\"/users/{id}\"`, or `{ host = \"a.example\", path = \"/users/{id}\" }`";
                return self.report(at, what, fix.to_owned());
            }
        };
        match read {
            Ok(route) => {
                handler.spec.routes.push(route);
                handler.route_origins.push(self.origin(at));
            }
            Err(error) => {
                let fix = "write it as in `\"/users/{id}\"`, `\"/files/{*rest}\"` or `\"GET a.example/\"`";
                self.report(at, error.to_string(), fix.to_owned());
            }
        }
    }

    /// A route that has a name for each part; none if one of them has the wrong type, which is reported.
    fn parts(&mut self, table: &DeTable<'_>) -> Option<Result<Route, RouteError>> {
        let (mut host, mut path, mut methods) = (None, None, None);
        let mut sound = true;
        for (key, value) in table {
            match (key.get_ref().as_ref(), value.get_ref()) {
                ("host", DeValue::String(text)) => host = Some(text.as_ref()),
                ("path", DeValue::String(text)) => path = Some(text.as_ref()),
                ("methods", DeValue::Array(items)) if items.iter().all(|item| item.get_ref().is_str()) => {
                    methods =
                        Some(items.iter().filter_map(|item| item.get_ref().as_str()).collect::<Vec<_>>());
                }
                (name, other) => {
                    sound = false;
                    let what = format!("`{name}` of a route is {}", kind(other));
                    let fix =
                        "a route has `host` and `path`, which are strings, and `methods`, a list of them";
                    self.report(key.span().start, what, fix.to_owned());
                }
            }
        }
        sound.then(|| Route::new(host, path, methods.as_deref()))
    }
}
