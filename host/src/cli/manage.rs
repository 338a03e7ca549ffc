//! `wasm-host deploy` and its kin: changes of a running host's handlers, asked for on its admin side.

use super::client::{Ask, Client, JSON, arguments};
use super::exit::Failure;
use super::told;
use super::tool::{Tool, say};
use crate::config::{Setting, own_settings};
use crate::deploy::api::{Changed, HandlerInfo, HandlerList, Removed, VersionList};
use crate::sandbox::read_component;
use crate::signature;
use anyhow::anyhow;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::{Map, Value, json};
use std::path::Path;

pub(super) const DEPLOY: Tool = Tool { command: deploy_command, run: deploy };
pub(super) const LIST: Tool = Tool { command: list_command, run: list };
pub(super) const SHOW: Tool = Tool { command: show_command, run: show };
pub(super) const VERSIONS: Tool = Tool { command: versions_command, run: versions };
pub(super) const ROLLBACK: Tool = Tool { command: rollback_command, run: rollback };
pub(super) const CANARY: Tool = Tool { command: canary_command, run: canary };
pub(super) const PROMOTE: Tool = Tool { command: promote_command, run: promote };
pub(super) const PAUSE: Tool = Tool { command: pause_command, run: pause };
pub(super) const RESUME: Tool = Tool { command: resume_command, run: resume };
pub(super) const REMOVE: Tool = Tool { command: remove_command, run: remove };
pub(super) const LOGS: Tool = Tool { command: logs_command, run: logs };

const NAME: &str = "name";
const COMPONENT: &str = "component";
const VERSION: &str = "version";
const ROUTE: &str = "route";
const ROUTE_HEADER: &str = "route-header";
const CHECK: &str = "check";
const GENERATION: &str = "generation";
const PERCENT: &str = "percent";
const TESTER: &str = "tester";
const REASON: &str = "reason";
const FOLLOW: &str = "follow";
const LINES: &str = "lines";
const MIDDLEWARE: &str = "middleware";

fn base(name: &'static str, about: &'static str) -> Command {
    Command::new(name).about(about).args(arguments())
}

fn of_handler(name: &'static str, about: &'static str) -> Command {
    base(name, about).arg(Arg::new(NAME).value_name("NAME").required(true).help("The handler"))
}

/// The settings of a version, as flags.
fn with_version(command: Command) -> Command {
    command
        .arg(
            Arg::new(ROUTE)
                .long(ROUTE)
                .value_name("ROUTE")
                .action(ArgAction::Append)
                .help("Where it is served, as in `GET /users/{id}`; repeatable [default: /NAME and below]"),
        )
        .arg(
            Arg::new(CHECK)
                .long(CHECK)
                .value_name("PATH")
                .help("A path that has to answer below 500 before the version answers anyone"),
        )
        .arg(
            Arg::new(ROUTE_HEADER)
                .long(ROUTE_HEADER)
                .action(ArgAction::SetTrue)
                .help("Tell it the pattern of its route, in x-wasm-host-route"),
        )
        .args(own_settings().filter(|setting| setting.name != MIDDLEWARE).map(flag))
}

fn flag(setting: &'static Setting) -> Arg {
    Arg::new(setting.name)
        .long(setting.name)
        .value_name(setting.value)
        .help(setting.help)
        .help_heading("Its own settings, at most the host's")
        .action(if setting.repeats() { ArgAction::Append } else { ArgAction::Set })
}

fn deploy_command() -> Command {
    let command = of_handler("deploy", "Deploy a component: it answers from now on").arg(
        Arg::new(COMPONENT)
            .value_name("COMPONENT")
            .required(true)
            .help("A file, with its FILE.sig if there is one, or oci://… for the host to fetch"),
    );
    let generation = Arg::new(GENERATION)
        .long(GENERATION)
        .value_name("N")
        .help("Only if the handler is in this generation, as `show` tells; 0 if there is to be none");
    with_version(command.arg(generation))
}

fn canary_command() -> Command {
    let command = of_handler("canary", "Try a component with a part of the requests")
        .arg(Arg::new(COMPONENT).value_name("COMPONENT").help("A file, or oci://… for the host to fetch"))
        .arg(
            Arg::new(VERSION)
                .long(VERSION)
                .value_name("VERSION")
                .conflicts_with(COMPONENT)
                .required_unless_present(COMPONENT)
                .help("Or a version that is kept, by its first digits"),
        )
        .arg(
            Arg::new(PERCENT)
                .long(PERCENT)
                .value_name("P")
                .required(true)
                .value_parser(clap::value_parser!(u8).range(0..=100))
                .help("What part of the requests it gets, in percent"),
        )
        .arg(
            Arg::new(TESTER)
                .long(TESTER)
                .value_name("MARK")
                .help("Whose requests it gets in any case: `header NAME[=VALUE]` or `cookie NAME=VALUE`"),
        );
    with_version(command)
}

fn list_command() -> Command {
    base("list", "List the handlers of a running host")
}

fn show_command() -> Command {
    of_handler("show", "Show what a handler is and does")
}

fn versions_command() -> Command {
    of_handler("versions", "List the versions of a handler that can be had back")
}

fn rollback_command() -> Command {
    of_handler("rollback", "Have the version before back, or the one named; ends a canary")
        .arg(Arg::new(VERSION).value_name("VERSION").help("Its first digits, as `versions` tells them"))
}

fn promote_command() -> Command {
    of_handler("promote", "Let the canary answer everyone")
}

fn pause_command() -> Command {
    of_handler("pause", "Have a handler answer 503 until it is resumed")
        .arg(Arg::new(REASON).long(REASON).value_name("TEXT").help("For whoever looks at it"))
}

fn resume_command() -> Command {
    of_handler("resume", "Have a handler answer again")
}

fn remove_command() -> Command {
    of_handler("remove", "Take a handler away, with all of its versions")
}

fn logs_command() -> Command {
    of_handler("logs", "Print the last log lines of a handler")
        .arg(Arg::new(FOLLOW).long(FOLLOW).short('f').action(ArgAction::SetTrue).help("And those that come"))
        .arg(
            Arg::new(LINES)
                .long(LINES)
                .value_name("N")
                .default_value("100")
                .value_parser(clap::value_parser!(u16).range(0..=500))
                .help("How many of the last ones"),
        )
}

fn deploy(mut matches: ArgMatches) -> Result<(), Failure> {
    let component: String = matches.remove_one(COMPONENT).unwrap_or_default();
    let generation: Option<String> = matches.remove_one(GENERATION);
    let settings = settings(&mut matches);
    change(matches, |name| {
        let path = format!("/admin/handlers/{name}");
        let mut sent = new_version("PUT", &path, &component, settings, &[])?;
        match generation.as_deref() {
            Some("0") => sent.headers.push(("if-none-match", "*".to_owned())),
            Some(generation) => sent.headers.push(("if-match", format!("\"{generation}\""))),
            None => {}
        }
        Ok(sent)
    })
}

fn canary(mut matches: ArgMatches) -> Result<(), Failure> {
    let component: Option<String> = matches.remove_one(COMPONENT);
    let version: Option<String> = matches.remove_one(VERSION);
    let percent: u8 = matches.remove_one(PERCENT).unwrap_or_default();
    let tester: Option<String> = matches.remove_one(TESTER);
    let settings = settings(&mut matches);
    change(matches, |name| {
        let path = format!("/admin/handlers/{name}/canary");
        match component {
            Some(component) => {
                let mut more = vec![(PERCENT, json!(percent))];
                more.extend(tester.map(|tester| (TESTER, json!(tester))));
                new_version("POST", &path, &component, settings, &more)
            }
            None => Ok(Sent::json(
                "POST",
                path,
                &json!({ "version": version, "percent": percent, "tester": tester }),
            )),
        }
    })
}

fn rollback(mut matches: ArgMatches) -> Result<(), Failure> {
    let version: Option<String> = matches.remove_one(VERSION);
    change(matches, |name| {
        Ok(Sent::json("POST", format!("/admin/handlers/{name}/rollback"), &json!({ "version": version })))
    })
}

fn pause(mut matches: ArgMatches) -> Result<(), Failure> {
    let reason: String = matches.remove_one(REASON).unwrap_or_default();
    change(matches, |name| {
        Ok(Sent::json("POST", format!("/admin/handlers/{name}/pause"), &json!({ "reason": reason })))
    })
}

fn promote(matches: ArgMatches) -> Result<(), Failure> {
    change(matches, |name| Ok(Sent::nothing("POST", format!("/admin/handlers/{name}/promote"))))
}

fn resume(matches: ArgMatches) -> Result<(), Failure> {
    change(matches, |name| Ok(Sent::nothing("POST", format!("/admin/handlers/{name}/resume"))))
}

fn remove(mut matches: ArgMatches) -> Result<(), Failure> {
    let (client, name) = (Client::open(&mut matches)?, name(&mut matches));
    let (gone, text) = client.ask::<Removed>(&Ask::new("DELETE", format!("/admin/handlers/{name}")))?;
    tell(&matches, &text, || format!("{} is removed", gone.name));
    Ok(())
}

fn list(mut matches: ArgMatches) -> Result<(), Failure> {
    let client = Client::open(&mut matches)?;
    let (list, text) = client.ask::<HandlerList>(&Ask::new("GET", "/admin/handlers"))?;
    tell(&matches, &text, || told::handlers(&list));
    Ok(())
}

fn show(mut matches: ArgMatches) -> Result<(), Failure> {
    let (client, name) = (Client::open(&mut matches)?, name(&mut matches));
    let (info, text) = client.ask::<HandlerInfo>(&Ask::new("GET", format!("/admin/handlers/{name}")))?;
    tell(&matches, &text, || told::handler(&info));
    Ok(())
}

fn versions(mut matches: ArgMatches) -> Result<(), Failure> {
    let (client, name) = (Client::open(&mut matches)?, name(&mut matches));
    let path = format!("/admin/handlers/{name}/versions");
    let (list, text) = client.ask::<VersionList>(&Ask::new("GET", path))?;
    tell(&matches, &text, || told::versions(&list));
    Ok(())
}

fn logs(mut matches: ArgMatches) -> Result<(), Failure> {
    let (client, name) = (Client::open(&mut matches)?, name(&mut matches));
    let lines: u16 = matches.remove_one(LINES).unwrap_or_default();
    let follow = matches.get_flag(FOLLOW);
    let path = format!("/admin/handlers/{name}/logs?lines={lines}&follow={follow}");
    client.lines(&Ask::new("GET", path), |line| {
        use std::io::Write as _;
        let mut out = std::io::stdout();
        writeln!(out, "{line}").and_then(|()| out.flush()).is_ok()
    })
}

/// A change, with what is sent for it.
struct Sent {
    method: &'static str,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Sent {
    fn nothing(method: &'static str, path: String) -> Self {
        Self { method, path, headers: Vec::new(), body: Vec::new() }
    }

    fn json(method: &'static str, path: String, document: &Value) -> Self {
        let headers = vec![("content-type", "application/json".to_owned())];
        Self { method, path, headers, body: document.to_string().into_bytes() }
    }
}

/// Asks for a change, and tells what came of it.
fn change(mut matches: ArgMatches, sent: impl FnOnce(&str) -> Result<Sent, Failure>) -> Result<(), Failure> {
    let (client, name) = (Client::open(&mut matches)?, name(&mut matches));
    let Sent { method, path, headers, body } = sent(&name)?;
    let (changed, text) = client.ask::<Changed>(&Ask { method, path, headers, body: &body })?;
    tell(&matches, &text, || told::change(&changed));
    Ok(())
}

/// A component that is sent, or fetched by the host, with its settings.
fn new_version(
    method: &'static str,
    path: &str,
    component: &str,
    settings: Map<String, Value>,
    more: &[(&str, Value)],
) -> Result<Sent, Failure> {
    if component.contains("://") {
        let mut document = json!({ "component": component, "settings": settings });
        for (key, value) in more {
            document[key] = value.clone();
        }
        return Ok(Sent::json(method, path.to_owned(), &document));
    }
    let file = Path::new(component);
    let unusable = |error: anyhow::Error| Failure::Configuration(error.context(component.to_owned()));
    let body = read_component(file).map_err(|error| unusable(anyhow!(error)))?;
    let signatures = signature::read_beside(file).map_err(|error| unusable(anyhow!(error)))?;
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    if !settings.is_empty() {
        query.append_pair("settings", &Value::Object(settings).to_string());
    }
    for (key, value) in more {
        query.append_pair(key, value.as_str().map_or_else(|| value.to_string(), str::to_owned).as_str());
    }
    let mut headers = vec![("content-type", "application/wasm".to_owned())];
    headers.extend(signatures.map(|text| ("wasm-host-signatures", STANDARD.encode(text))));
    // A component that is refused by its size alone need not be sent.
    headers.push(("expect", "100-continue".to_owned()));
    Ok(Sent { method, path: format!("{path}?{}", query.finish()), headers, body })
}

/// What was given of a version's settings; the host checks it.
fn settings(matches: &mut ArgMatches) -> Map<String, Value> {
    let mut settings = Map::new();
    let routes: Vec<String> = matches.remove_many(ROUTE).map(Iterator::collect).unwrap_or_default();
    if !routes.is_empty() {
        settings.insert("routes".to_owned(), json!(routes));
    }
    if let Some(check) = matches.remove_one::<String>(CHECK) {
        settings.insert(CHECK.to_owned(), json!(check));
    }
    if matches.get_flag(ROUTE_HEADER) {
        settings.insert(ROUTE_HEADER.to_owned(), json!(true));
    }
    for setting in own_settings().filter(|setting| setting.name != MIDDLEWARE) {
        let values: Option<Vec<String>> = matches.remove_many(setting.name).map(Iterator::collect);
        if let Some(values) = values {
            settings.insert(setting.name.to_owned(), json!(values));
        }
    }
    settings
}

fn name(matches: &mut ArgMatches) -> String {
    let name: String = matches.remove_one(NAME).unwrap_or_default();
    // What is no name is the host's to refuse, and must not become another path.
    url::form_urlencoded::byte_serialize(name.as_bytes()).collect()
}

/// Tells the answer as it came, or for people.
fn tell(matches: &ArgMatches, text: &str, for_people: impl FnOnce() -> String) {
    match matches.get_flag(JSON) {
        true => say(text.trim_end()),
        false => say(&for_people()),
    }
}
