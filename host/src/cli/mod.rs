//! The command line: from arguments to a running host and back to an exit code. Nothing else names
//! clap.

mod args;
mod budget;
mod exit;
mod listeners;
mod secure;
mod serve;
mod shutdown;
mod welcome;

use std::path::Path;
use std::process::ExitCode;

use exit::Failure;

/// Runs the program.
pub fn main() -> ExitCode {
    let flags = match args::parse(std::env::args_os()) {
        Ok(flags) => flags,
        Err(answer) => return exit::answer(&answer),
    };
    let served = crate::config::resolve(&flags, std::env::vars_os(), Path::new(""))
        .map_err(Failure::from)
        .and_then(|(config, warnings)| serve::serve(config, warnings));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
