//! `cargo xtask bench overload`: what the front door promises to crowds. Ten times the load, thousands of
//! streams, a thousand slow clients, and certificates that change under load.
//!
//! Every measurement has a fresh server, and ends with a look at whether the server is as it was before.

mod excess;
mod flood;
mod host;
mod listeners;
mod page;
mod reload;
mod slow;
mod streams;
mod tls;

use std::io::{Write as _, stdout};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use self::host::Hosts;
use self::page::Run;
use super::scheduler::section::Section;
use super::setup::Setup;
use crate::report;

/// Files that are open besides those of a crowd.
const OTHER_FILES_MAX: u64 = 600;

/// How long crowds have to be there for results that are kept in the repository.
const SECONDS_MIN: u8 = 20;

/// What to measure, and for how long.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Measure this wasm-host in place of a release build of the checkout
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// How often everything is measured; every round is a line of the results
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=99))]
    rounds: u8,
    /// How long a crowd is there
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u8).range(1..=200))]
    seconds: u8,
    /// How many streams there are at once
    #[arg(long, value_delimiter = ',', value_name = "COUNTS", default_value = "1500,10000")]
    streams: Vec<usize>,
    /// Measure only these parts, and leave the results of the others as they are
    #[arg(long, value_enum, value_delimiter = ',', value_name = "PARTS")]
    only: Vec<Part>,
    /// Where overload.md and .json go [default: bench/results, or target/bench for a shorter run]
    #[arg(long, value_name = "DIRECTORY")]
    out: Option<PathBuf>,
}

/// A part of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Ten times the load
    Excess,
    /// Thousands of streams
    Streams,
    /// Clients that are slow on purpose
    Slow,
    /// Certificates that change under load
    Reload,
}

/// What was measured so far.
#[derive(Default)]
struct Rounds {
    excess: Vec<excess::Round>,
    streams: Vec<streams::Round>,
    slow: Vec<slow::Round>,
    reload: Vec<reload::Round>,
}

/// Measures, prints the tables and writes the results.
///
/// # Errors
///
/// Where wasm-host cannot be built or does not start, or the results cannot be written. A promise that is
/// not kept is not an error but a line of the results.
pub(super) fn run(args: &Args) -> Result<()> {
    let setup = Setup::prepare(args.files_max(), &["crowd"])?;
    let program = setup.wasm_host(args.binary.as_deref())?;
    let hosts = Hosts {
        program: program.path,
        component: setup.component("crowd"),
        directory: setup.work.clone(),
        duration: Duration::from_secs(args.seconds.into()),
        streams: args.streams.clone(),
        cores: setup.machine.cores,
    };

    let begin = Instant::now();
    let mut rounds = Rounds::default();
    for round in 1..=args.rounds {
        for part in args.parts() {
            report::note("overload", &format!("round {round}, {part:?}").to_lowercase());
            rounds.measure(part, &hosts)?;
        }
    }
    report::done("measured", &format!("{} rounds", args.rounds), begin.elapsed());

    let sections: Vec<_> = args.parts().into_iter().map(|part| rounds.section(part)).collect();
    let out = setup.out(args.out.as_deref(), args.seconds >= SECONDS_MIN);
    let Args { rounds, seconds, .. } = *args;
    let run = Run { machine: &setup.machine, version: &program.version, rounds, seconds };
    page::write(&out, &run, &sections, &["excess", "streams", "slow", "reload"])?;
    let tables: Vec<_> = sections.iter().map(Section::markdown).collect();
    stdout().write_all(tables.join("\n").as_bytes()).context("printing the tables")
}

impl Rounds {
    fn measure(&mut self, part: Part, hosts: &Hosts) -> Result<()> {
        match part {
            Part::Excess => self.excess.extend(excess::measure(hosts)?),
            Part::Streams => self.streams.extend(streams::measure(hosts)?),
            Part::Slow => self.slow.extend(slow::measure(hosts)?),
            Part::Reload => self.reload.push(reload::measure(hosts)?),
        }
        Ok(())
    }

    fn section(&self, part: Part) -> Section {
        match part {
            Part::Excess => excess::section(&self.excess),
            Part::Streams => streams::section(&self.streams),
            Part::Slow => slow::section(&self.slow),
            Part::Reload => reload::section(&self.reload),
        }
    }
}

impl Args {
    /// The parts to measure, in the order of the results.
    fn parts(&self) -> Vec<Part> {
        let mut parts = vec![Part::Excess, Part::Streams, Part::Slow, Part::Reload];
        parts.retain(|part| self.only.is_empty() || self.only.contains(part));
        parts
    }

    /// The most files that we or the host have open at a time.
    fn files_max(&self) -> u64 {
        let streams = self.streams.iter().map(|&count| streams::files_max(count)).max();
        streams.unwrap_or_default().max(flood::FILES_MAX) + OTHER_FILES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::setup;

    fn parse(line: &str) -> Result<Args, clap::Error> {
        setup::parse(line)
    }

    #[test]
    fn parts_come_in_the_order_of_the_results() {
        let args = parse("--only reload,excess,reload").expect("arguments");
        assert_eq!(args.parts(), [Part::Excess, Part::Reload]);
        assert_eq!(parse("").expect("arguments").parts().len(), 4);
    }

    #[test]
    fn as_many_files_are_asked_for_as_the_most_streams_need() {
        let files_max = |line| parse(line).expect("arguments").files_max();
        assert_eq!(files_max("--streams 20000,5"), 20_000 + 1000 + OTHER_FILES_MAX);
        assert_eq!(files_max("--streams 5"), flood::FILES_MAX + OTHER_FILES_MAX);
    }
}
