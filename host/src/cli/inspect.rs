//! `wasm-host config check` and `config schema`: the settings, looked at without serving anything.

use super::args;
use super::exit::Failure;
use super::tool::{Tool, say};
use crate::config::{Sources, schema};
use clap::{ArgMatches, Command};
use std::path::PathBuf;

pub(super) const CONFIG: Tool = Tool { command, run };

const CHECK: &str = "check";
const SCHEMA: &str = "schema";

fn command() -> Command {
    let check = Command::new(CHECK).about(
        "Print what all settings come to, and where each value comes from; exit 78 with every mistake",
    );
    let schema = Command::new(SCHEMA).about("Print the JSON Schema of the settings file");
    Command::new("config")
        .about("Check the settings, or print their schema")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(args::with_settings(check))
        .subcommand(schema)
}

fn run(mut matches: ArgMatches) -> Result<(), Failure> {
    match matches.remove_subcommand() {
        Some((word, mut arguments)) if word == CHECK => {
            let flags = args::flags(&mut arguments);
            let environment = std::env::vars_os().collect();
            say(Sources { flags, environment, directory: PathBuf::new() }.explain()?.trim_end());
        }
        Some(_) | None => say(&format!("{:#}", schema())),
    }
    Ok(())
}
