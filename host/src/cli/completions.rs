//! `wasm-host completions`: the words of the command line, as a shell wants to be told of them.

use super::args;
use super::exit::Failure;
use super::tool::Tool;
use clap::{Arg, ArgMatches, Command, value_parser};
use clap_complete::Shell;
use std::io::Write as _;

pub(super) const COMPLETIONS: Tool = Tool { command, run };

const SHELL: &str = "shell";

fn command() -> Command {
    Command::new("completions").about("Print the completions for a shell").arg(
        Arg::new(SHELL)
            .value_name("SHELL")
            .required(true)
            .value_parser(value_parser!(Shell))
            .help("As in: wasm-host completions bash > ~/.local/share/bash-completion/completions/wasm-host"),
    )
}

fn run(mut matches: ArgMatches) -> Result<(), Failure> {
    if let Some(shell) = matches.remove_one::<Shell>(SHELL) {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut args::command(), "wasm-host", &mut text);
        // That nobody reads it is no failure.
        let _ = std::io::stdout().write_all(&text);
    }
    Ok(())
}
