//! `wasm-host compile-for-host`: the process in which the host has its components compiled. It is started by the
//! host alone, so no help tells of it.

use super::exit::Failure;
use super::tool::Tool;
use crate::sandbox::{COMPILE_WORD, compile_as_ordered};
use clap::{ArgMatches, Command};

pub(super) const COMPILE: Tool = Tool { command, run };

fn command() -> Command {
    Command::new(COMPILE_WORD).about("Compile a component for the host that started this").hide(true)
}

fn run(_: ArgMatches) -> Result<(), Failure> {
    compile_as_ordered().map_err(|error| Failure::Other(error.into()))
}
