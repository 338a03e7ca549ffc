//! What a person would otherwise type by hand, as `cargo xtask …`.
//!
//! This file owns the command line. Each task is a module of its own.

mod bench;
mod command;
mod debian;
mod guests;
mod report;
mod test;
mod tools;
mod workspace;

use std::process::ExitCode;

use clap::Parser;

/// Tasks of this repository
#[derive(Parser)]
#[command(name = "xtask", bin_name = "cargo xtask")]
enum Task {
    /// Measure wasm-host, against its peers and against its promises
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Build the guests into target/guests
    Guests(guests::Args),
    /// Run the tests
    Test(test::Args),
}

fn main() -> ExitCode {
    let result = match Task::parse() {
        Task::Bench(bench) => bench::run(&bench),
        Task::Guests(args) => guests::run(&args),
        Task::Test(args) => test::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::failure(&error);
            ExitCode::FAILURE
        }
    }
}
