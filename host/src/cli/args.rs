//! The arguments: one flag for each setting, made from the table of settings, so that help, flags
//! and checks cannot drift from what the file and the environment accept.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::tool::{self, TOOLS, Tool};
use crate::config::{Flags, SETTINGS, Setting};

/// The word that may stand before the component: what the program does anyway.
const SERVE: &str = "serve";
const TARGET: &str = "component";
/// The component, where the word stands before it.
const AFTER_SERVE: &str = "component after serve";
const CONFIG: &str = "config";

const ABOUT: &str = "\
Serves HTTP with WebAssembly components that nobody has to trust: each request runs in a
fresh instance with limits on time and memory, and none can stall another.";

const USAGE: &str = "\
wasm-host [serve] [COMPONENT | DIRECTORY] [--config FILE] [SETTINGS]
       wasm-host COMMAND …";

const AFTER: &str = "\
Settings:
  A flag beats its environment variable, which beats its key in the file (the flag without
  `--`), which beats the default. A list replaces the list of a lower layer.

Examples:
  wasm-host                                    serve what is in this directory
  wasm-host app.wasm --timeout 2s              serve a component
  wasm-host handlers/                          serve each component of a directory at its name
  wasm-host --config site.toml --instances 8   serve what a file describes
  wasm-host oci://registry.example/app:1.0     serve a component of a registry
  wasm-host deploy shop shop.wasm              have a running host serve a component at /shop
  wasm-host rollback shop                      have the version before back

Exit codes:
  0   drained after SIGINT or SIGTERM
  64  the command line is wrong
  65  the host refuses the change
  69  no host answers
  77  the token is missing or wrong
  78  the settings, or what they name, are wrong
  1   anything else";

/// What the program is to do.
pub(super) enum Asked {
    /// To serve.
    Serve(Flags),
    /// Something else, with its own arguments.
    Tool(&'static Tool, ArgMatches),
}

/// Reads the arguments.
///
/// # Errors
/// What clap has to say instead: a usage error, the help or the version.
pub(super) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Asked, clap::Error> {
    let mut command = command();
    let mut matches = command.try_get_matches_from_mut(arguments)?;
    if let Some((word, arguments)) = matches.remove_subcommand()
        && let Some(tool) = tool::find(&word)
    {
        return Ok(Asked::Tool(tool, arguments));
    }
    let component = target(&mut command, &mut matches)?;
    Ok(Asked::Serve(Flags { component, ..flags(&mut matches) }))
}

/// Adds the component and every setting to the arguments of a command.
pub(super) fn with_settings(command: Command) -> Command {
    command
        .arg(
            Arg::new(TARGET)
                .index(1)
                .value_name("COMPONENT | DIRECTORY")
                .help(
                    "What to serve: a component (a file, or oci://… for one in a registry), or a directory of them \
                     [default: what the file names, else ./handlers/, else a welcome page]",
                )
                .value_parser(value_parser!(PathBuf)),
        )
        .arg(
            Arg::new(CONFIG)
                .long(CONFIG)
                .value_name("FILE")
                .help("Settings file [default: ./wasm-host.toml, if it exists]")
                .value_parser(value_parser!(PathBuf)),
        )
        .args(SETTINGS.iter().map(flag))
}

/// What was given of them.
pub(super) fn flags(matches: &mut ArgMatches) -> Flags {
    let (component, config) = (matches.remove_one(TARGET), matches.remove_one(CONFIG));
    Flags { settings: settings(matches), config, component }
}

/// Adds the settings of these names to the arguments of a command.
pub(super) fn with_some_settings(command: Command, names: &[&str]) -> Command {
    command.args(SETTINGS.iter().filter(|setting| names.contains(&setting.name)).map(flag))
}

/// What was given of them.
pub(super) fn some_flags(matches: &mut ArgMatches, names: &[&str]) -> Flags {
    let asked = SETTINGS.iter().filter(|setting| names.contains(&setting.name));
    let given = asked.filter_map(|setting| Some((setting, matches.remove_many(setting.name)?.collect())));
    Flags { settings: given.collect(), ..Flags::default() }
}

/// The whole command line.
pub(super) fn command() -> Command {
    let command = Command::new("wasm-host")
        .version(env!("CARGO_PKG_VERSION"))
        .about(ABOUT)
        .override_usage(USAGE)
        .after_help(AFTER)
        // Once a component or a flag was given, words are components.
        .args_conflicts_with_subcommands(true)
        .subcommand_value_name("COMMAND")
        .subcommands(TOOLS.iter().map(|tool| (tool.command)()))
        .arg(Arg::new(AFTER_SERVE).index(2).value_parser(value_parser!(PathBuf)).hide(true));
    with_settings(command)
}

fn flag(setting: &'static Setting) -> Arg {
    Arg::new(setting.name)
        .long(setting.name)
        .value_name(setting.value)
        .help(help(setting))
        .help_heading(setting.section)
        .action(if setting.repeats() { ArgAction::Append } else { ArgAction::Set })
        // `-1` is a number out of range, and not a flag that nobody knows.
        .allow_negative_numbers(true)
        .value_parser(move |text: &str| match setting.secret() {
            // clap would repeat what it refuses: this one is checked with the other layers.
            true => Ok(text.to_owned()),
            false => setting.check(text).map(|()| text.to_owned()),
        })
}

fn help(setting: &Setting) -> String {
    let default = Some(setting.default).filter(|default| !default.is_empty());
    let facts = [
        default.map(|default| format!("[default: {default}]")),
        setting.environment().map(|name| format!("[env: {name}]")),
    ];
    let facts: Vec<String> = facts.into_iter().flatten().collect();
    // On a line of their own, where no wrap tears them.
    if facts.is_empty() { setting.help.to_owned() } else { format!("{}\n{}", setting.help, facts.join(" ")) }
}

/// The component, without the word `serve`. A component of that name is `./serve`.
fn target(command: &mut Command, matches: &mut ArgMatches) -> Result<Option<PathBuf>, clap::Error> {
    let first: Option<PathBuf> = matches.remove_one(TARGET);
    let second: Option<PathBuf> = matches.remove_one(AFTER_SERVE);
    match (first, second) {
        (Some(word), component) if word.as_os_str() == SERVE => Ok(component),
        (component, None) => Ok(component),
        (_, Some(extra)) => Err(command.error(
            ErrorKind::TooManyValues,
            format!("unexpected argument '{}' found: one component is served", extra.display()),
        )),
    }
}

fn settings(matches: &mut ArgMatches) -> Vec<(&'static Setting, Vec<String>)> {
    SETTINGS
        .iter()
        .filter_map(|setting| Some((setting, matches.remove_many(setting.name)?.collect())))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn parsed(line: &str) -> Result<Flags, clap::Error> {
        match parse(["wasm-host"].into_iter().chain(line.split_whitespace()).map(OsString::from))? {
            Asked::Serve(flags) => Ok(flags),
            Asked::Tool(..) => panic!("nothing to serve: {line}"),
        }
    }

    fn refused(line: &str) -> String {
        let Err(error) = parsed(line) else { panic!("accepted: {line}") };
        assert!(error.use_stderr(), "{line}");
        error.to_string()
    }

    #[test]
    fn command_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn word_serve_is_optional() {
        for (line, component, settings) in [
            ("", None, 0),
            ("serve", None, 0),
            ("--instances 8", None, 1),
            ("app.wasm", Some("app.wasm"), 0),
            ("serve app.wasm --timeout 2s", Some("app.wasm"), 1),
            ("--timeout 2s serve app.wasm", Some("app.wasm"), 1),
            ("./serve", Some("./serve"), 0),
            ("serve serve", Some("serve"), 0),
        ] {
            let flags = parsed(line).unwrap();
            assert_eq!(flags.component.as_deref(), component.map(Path::new), "{line}");
            assert_eq!(flags.settings.len(), settings, "{line}");
        }
    }

    #[test]
    fn word_of_a_tool_calls_it_only_in_the_first_place() {
        for tool in TOOLS {
            let word = (tool.command)().get_name().to_owned();
            let flags = parsed(&format!("serve {word}")).unwrap();
            assert_eq!(flags.component.as_deref(), Some(Path::new(&word)));
            assert!(tool::find(&word).is_some());
        }
        let asked = parse(["wasm-host", "verify", "--key", "a", "b"].map(OsString::from)).unwrap();
        assert!(matches!(asked, Asked::Tool(..)));
    }

    #[test]
    fn values_reach_their_setting() {
        let flags = parsed("--config a.toml --env A=1 --env B=2 --queue=0").unwrap();
        assert_eq!(flags.config.as_deref(), Some(Path::new("a.toml")));
        let given: Vec<(&str, Vec<String>)> =
            flags.settings.into_iter().map(|(setting, values)| (setting.name, values)).collect();
        let expected = [("queue", vec!["0".to_owned()]), ("env", vec!["A=1".to_owned(), "B=2".to_owned()])];
        assert_eq!(given, expected);
    }

    #[test]
    fn refused_value_says_what_was_expected() {
        assert!(refused("--instances 0").contains("expected a whole number from 1 to 100000"));
        assert!(refused("--instances -1").contains("expected a whole number from 1 to 100000"));
        assert!(refused("--timeout 30").contains("for example `30s`"));
        assert!(refused("--timeout 1s --timeout 2s").contains("multiple times"));
    }

    #[test]
    fn unknown_flag_is_refused_with_its_likely_name() {
        assert!(refused("--instancse 8").contains("--instances"));
    }

    #[test]
    fn second_component_is_refused() {
        for line in ["a.wasm b.wasm", "serve a.wasm b.wasm", "a.wasm b.wasm c.wasm"] {
            assert!(refused(line).contains("b.wasm") || refused(line).contains("c.wasm"), "{line}");
        }
    }

    #[test]
    fn help_shows_every_setting_its_default_and_its_variable() {
        let help = command().term_width(200).render_help().to_string();
        for setting in SETTINGS {
            assert!(help.contains(&format!("--{} <{}>", setting.name, setting.value)), "{}", setting.name);
            assert!(help.contains(setting.default), "{}", setting.name);
            assert!(setting.environment().is_none_or(|name| help.contains(&name)), "{}", setting.name);
        }
    }
}
