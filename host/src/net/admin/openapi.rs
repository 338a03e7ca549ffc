//! `/openapi.json`: what there is to ask for, for programs. The paths come from the table that requests are led
//! by, the documents from the types that are sent and read, and the failures from the tables of reasons.
//! <https://spec.openapis.org/oas/v3.1.1.html>

use super::handlers::{SIGNATURES, WASM};
use super::jobs::JobList;
use super::routes::{Operation, ROUTES};
use crate::deploy::RefusalReason;
use crate::deploy::api::{
    CanaryOrder, Changed, FetchOrder, HandlerInfo, HandlerList, PauseOrder, Removed, RollbackOrder,
    VersionList,
};
use crate::net::answer::Problem;
use crate::net::native::{Health, Readiness};
use crate::outcome::Reason;
use http::StatusCode;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::OnceLock;

const JSON: &str = "application/json";
const NAME_PATTERN: &str = "^[a-z0-9][a-z0-9-]{0,62}$";

/// What everybody may be refused for.
const EVERYWHERE: [Reason; 5] = [
    Reason::BadRequest,
    Reason::Forbidden,
    Reason::UriTooLong,
    Reason::HeadersTooLarge,
    Reason::NotImplemented,
];
/// And whoever needs the token.
const GUARDED: [Reason; 2] = [Reason::Unauthorized, Reason::TooManyAttempts];
/// What any change may be refused for.
const CHANGES: &[RefusalReason] = &[
    RefusalReason::BadName,
    RefusalReason::BadChange,
    RefusalReason::NoSuchHandler,
    RefusalReason::Conflict,
    RefusalReason::Configured,
    RefusalReason::DeploymentsOff,
    RefusalReason::RouteConflict,
    RefusalReason::CanaryRunning,
    RefusalReason::NoCanary,
    RefusalReason::NoPrevious,
    RefusalReason::AlreadyActive,
    RefusalReason::NoSuchVersion,
    RefusalReason::UploadTimeout,
    RefusalReason::UnsupportedMedia,
    RefusalReason::Busy,
    RefusalReason::NoSpace,
    RefusalReason::StoreFailed,
    RefusalReason::HostFailed,
];
/// What a version may be refused for when it is loaded.
const LOADING: &[RefusalReason] = &[
    RefusalReason::ComponentTooLarge,
    RefusalReason::BadSettings,
    RefusalReason::BadSignature,
    RefusalReason::InvalidWasm,
    RefusalReason::Precompiled,
    RefusalReason::NeedsTooMuch,
    RefusalReason::TooComplex,
    RefusalReason::CompileLimit,
    RefusalReason::CompileFailed,
    RefusalReason::Unsupported,
    RefusalReason::NoHandler,
    RefusalReason::NotGranted,
    RefusalReason::NotLinkable,
    RefusalReason::MiddlewareUnfit,
    RefusalReason::TrialFailed,
    RefusalReason::FetchFailed,
];

/// The document as text.
pub(super) fn text() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| format!("{}\n", document()))
}

/// What an operation is told of.
struct Told {
    summary: &'static str,
    status: StatusCode,
    /// Its answer, by its type; none for one without a body.
    answer: Option<(&'static str, Value)>,
    /// What it takes, by its type.
    takes: Vec<(&'static str, Value)>,
    /// Whether something has to be sent.
    required: bool,
    query: Vec<Value>,
    reasons: Vec<Reason>,
    refusals: Vec<RefusalReason>,
}

fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let problem = schema::<Problem>(&mut generator);
    let mut paths: Map<String, Value> = Map::new();
    for route in ROUTES {
        let told = operation(route.operation, route.path, told(route.operation, &mut generator), &problem);
        let item = paths.entry(route.path).or_insert_with(|| json!({}));
        item[route.method.as_str().to_lowercase()] = told;
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "wasm-host",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What the admin side of a host is asked. Changes of handlers are one at a time: a change \
                that was asked for in another generation than the handler's is a conflict.",
            "license": { "name": "Apache-2.0 WITH LLVM-exception", "identifier": env!("CARGO_PKG_LICENSE") },
        },
        "servers": [{ "url": "/" }],
        "security": [{ "token": [] }, {}],
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
    })
}

fn operation(operation: Operation, path: &str, told: Told, problem: &Value) -> Value {
    let mut parameters = told.query;
    if path.contains("{name}") {
        parameters.push(json!({
            "name": "name", "in": "path", "required": true,
            "schema": { "type": "string", "pattern": NAME_PATTERN },
        }));
    }
    if path.contains("{id}") {
        parameters.push(json!({
            "name": "id", "in": "path", "required": true,
            "schema": { "type": "integer", "minimum": 0, "maximum": u64::MAX },
        }));
    }
    let changes = operation.action().is_some() && path.contains("{name}");
    if changes {
        parameters.extend(conditions());
    }
    let mut failures: BTreeMap<u16, Vec<String>> = BTreeMap::new();
    let guarded = if operation.is_open() { &[][..] } else { &GUARDED };
    for reason in EVERYWHERE.iter().chain(guarded).chain(&told.reasons) {
        let text = format!("`{}`: {}", reason.label(), reason.title());
        failures.entry(reason.status().as_u16()).or_default().push(text);
    }
    for refusal in &told.refusals {
        let text = format!("`{}`: {}", refusal.label(), refusal.title());
        failures.entry(refusal.status().as_u16()).or_default().push(text);
    }
    let mut responses: Map<String, Value> = failures
        .into_iter()
        .map(|(status, reasons)| {
            let content = json!({ "application/problem+json": { "schema": problem } });
            (status.to_string(), json!({ "description": reasons.join("\n\n"), "content": content }))
        })
        .collect();
    let mut success = json!({ "description": told.summary });
    if let Some((media, schema)) = told.answer {
        success["content"] = json!({ media: { "schema": schema } });
    }
    responses.insert(told.status.as_str().to_owned(), success);
    let mut described = json!({
        "operationId": format!("{operation:?}"),
        "summary": told.summary,
        "responses": responses,
    });
    if !parameters.is_empty() {
        described["parameters"] = parameters.into();
    }
    if !told.takes.is_empty() {
        let content: Map<String, Value> = told
            .takes
            .into_iter()
            .map(|(media, schema)| (media.to_owned(), json!({ "schema": schema })))
            .collect();
        described["requestBody"] = json!({ "required": told.required, "content": content });
    }
    if operation.is_open() {
        described["security"] = json!([]);
    }
    described
}

/// RFC 9110 §13.1: which generation a change is for.
fn conditions() -> [Value; 2] {
    let tag = json!({ "type": "string", "pattern": r#"^(\*|"[0-9]{1,19}")$"# });
    let none = json!({ "type": "string", "const": "*" });
    [
        json!({ "name": "If-Match", "in": "header", "schema": tag,
            "description": "The generation that the change is for, as the ETag says it; `*` for any" }),
        json!({ "name": "If-None-Match", "in": "header", "schema": none,
            "description": "Only if there is no handler of this name" }),
    ]
}

fn told(operation: Operation, generator: &mut SchemaGenerator) -> Told {
    let mut told = plain(operation, generator);
    match operation {
        Operation::Deploy => {
            told.takes = vec![binary(), (JSON, schema::<FetchOrder>(generator))];
            told.required = true;
            told.query = vec![settings()];
            told.query.push(signatures());
        }
        Operation::Canary => {
            told.takes = vec![binary(), (JSON, schema::<CanaryOrder>(generator))];
            told.required = true;
            let percent = json!({ "type": "integer", "minimum": 0, "maximum": 100 });
            told.query = vec![
                settings(),
                signatures(),
                query("percent", "What part of the requests it gets, if a component is sent", percent),
                query(
                    "tester",
                    "Whose requests it gets in any case: `header NAME[=VALUE]` or `cookie NAME=VALUE`",
                    json!({ "type": "string", "maxLength": 210 }),
                ),
            ];
        }
        Operation::Rollback => told.takes = vec![(JSON, schema::<RollbackOrder>(generator))],
        Operation::Pause => told.takes = vec![(JSON, schema::<PauseOrder>(generator))],
        Operation::Jobs => {
            let limit = json!({ "type": "integer", "minimum": 0, "maximum": 10_000 });
            told.query = vec![query("limit", "How many of them", limit)];
        }
        Operation::Logs => {
            let lines = json!({ "type": "integer", "minimum": 0, "maximum": 500 });
            told.query = vec![
                query("lines", "How many of the last lines", lines),
                query("follow", "Whether those that come are sent, too", json!({ "type": "boolean" })),
            ];
            told.reasons = vec![Reason::TooManyStreams];
        }
        Operation::Health
        | Operation::Ready
        | Operation::OpenApi
        | Operation::KillJob
        | Operation::Metrics
        | Operation::Drain
        | Operation::Handlers
        | Operation::Handler
        | Operation::Remove
        | Operation::Versions
        | Operation::EndCanary
        | Operation::Promote
        | Operation::Resume => {}
    }
    if operation.action().is_some() && !told.takes.is_empty() {
        told.reasons.push(Reason::BodyTooLarge);
    }
    told
}

/// What is told of every operation.
fn plain(operation: Operation, generator: &mut SchemaGenerator) -> Told {
    let (summary, answer): (_, Option<(&str, Value)>) = match operation {
        Operation::Health => ("That the host is alive", json_of::<Health>(generator)),
        Operation::Ready => ("Whether it is to be sent requests", json_of::<Readiness>(generator)),
        Operation::OpenApi => ("This document", Some((JSON, json!({ "type": "object" })))),
        Operation::Jobs => ("The live jobs, most CPU time first", json_of::<JobList>(generator)),
        Operation::KillJob => ("End one", None),
        Operation::Metrics => {
            ("The host in numbers", Some(("application/openmetrics-text", json!({ "type": "string" }))))
        }
        Operation::Drain => ("Stop in order, as a SIGTERM does", None),
        Operation::Handlers => ("Every handler", json_of::<HandlerList>(generator)),
        Operation::Handler => ("One handler", json_of::<HandlerInfo>(generator)),
        Operation::Deploy => ("Deploy a version: it answers from now on", json_of::<Changed>(generator)),
        Operation::Remove => ("Take a handler away, with its versions", json_of::<Removed>(generator)),
        Operation::Versions => ("The versions of a handler", json_of::<VersionList>(generator)),
        Operation::Rollback => ("Have a version back, or end the canary", json_of::<Changed>(generator)),
        Operation::Canary => ("Try a version with a part of the requests", json_of::<Changed>(generator)),
        Operation::EndCanary => ("Give the canary up", json_of::<Changed>(generator)),
        Operation::Promote => ("Let the canary answer everyone", json_of::<Changed>(generator)),
        Operation::Pause => ("Answer 503 until it is resumed", json_of::<Changed>(generator)),
        Operation::Resume => ("Answer again", json_of::<Changed>(generator)),
        Operation::Logs => ("The log lines of a handler", Some(("text/plain", json!({ "type": "string" })))),
    };
    let (mut status, mut reasons, mut refusals) = (StatusCode::OK, Vec::new(), Vec::new());
    match operation {
        Operation::KillJob => (status, reasons) = (StatusCode::NO_CONTENT, vec![Reason::NoSuchJob]),
        Operation::Drain => status = StatusCode::ACCEPTED,
        Operation::Ready => reasons = vec![],
        Operation::Handler | Operation::Logs => {
            refusals = vec![RefusalReason::BadName, RefusalReason::NoSuchHandler];
        }
        Operation::Versions => {
            refusals = vec![RefusalReason::BadName, RefusalReason::NoSuchHandler, RefusalReason::Configured];
        }
        Operation::Health
        | Operation::OpenApi
        | Operation::Jobs
        | Operation::Metrics
        | Operation::Handlers => {}
        Operation::Deploy
        | Operation::Canary
        | Operation::Rollback
        | Operation::Remove
        | Operation::EndCanary
        | Operation::Promote
        | Operation::Pause
        | Operation::Resume => refusals = [CHANGES, LOADING].concat(),
    }
    Told { summary, status, answer, takes: Vec::new(), required: false, query: Vec::new(), reasons, refusals }
}

fn json_of<T: schemars::JsonSchema>(generator: &mut SchemaGenerator) -> Option<(&'static str, Value)> {
    Some((JSON, schema::<T>(generator)))
}

fn schema<T: schemars::JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    generator.subschema_for::<T>().to_value()
}

fn binary() -> (&'static str, Value) {
    (WASM, json!({ "type": "string", "format": "binary" }))
}

fn settings() -> Value {
    json!({
        "name": "settings", "in": "query",
        "description": "The settings of a component that is sent, as a JSON object",
        "content": { JSON: { "schema": { "$ref": "#/components/schemas/Spec" } } },
    })
}

fn signatures() -> Value {
    json!({
        "name": SIGNATURES.as_str(), "in": "header",
        "description": "Who has signed a component that is sent: the base64 of its FILE.sig",
        "schema": { "type": "string", "contentEncoding": "base64" },
    })
}

fn query(name: &str, description: &str, schema: Value) -> Value {
    json!({ "name": name, "in": "query", "description": description, "schema": schema })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str));
                members.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    #[test]
    fn what_it_refers_to_is_there() {
        let document = document();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 20, "{found:?}");
        for reference in found {
            let pointer = reference.strip_prefix('#').expect("inside the document");
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }

    #[test]
    fn every_refusal_is_told_somewhere() {
        let text = text();
        for reason in RefusalReason::ALL {
            assert!(text.contains(&format!("`{}`", reason.label())), "{}", reason.label());
        }
    }
}
