//! The command line: from arguments to a running host and back to an exit code. Nothing else names
//! clap.

mod args;
mod budget;
mod client;
mod compile;
mod completions;
mod deployments;
mod exit;
mod inspect;
mod listeners;
mod manage;
mod packages;
mod reload;
mod secure;
mod serve;
mod shutdown;
mod signing;
mod supply;
mod told;
mod tool;
mod welcome;

use std::process::ExitCode;

use args::Asked;

/// Runs the program.
pub fn main() -> ExitCode {
    let asked = match args::parse(std::env::args_os()) {
        Ok(asked) => asked,
        Err(answer) => return exit::answer(&answer),
    };
    let done = match asked {
        Asked::Serve(flags) => serve::serve(flags),
        Asked::Tool(tool, arguments) => (tool.run)(arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
