//! `cargo xtask bench scheduler`: what the scheduler promises to equal, to heavy and to runaway requests
//! on wasm-host.
//!
//! Every part of every round has a fresh server with the defaults that users have, and is compared with
//! what was measured on the same server just before. Rounds are interleaved, so what else goes on on the
//! machine hits all parts alike.

pub(super) mod answers;
mod equal;
mod heavy;
mod killed;
mod page;
pub(super) mod ready;
pub(super) mod section;
mod storm;
pub(super) mod work;

use std::io::{Write as _, stdout};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use self::page::Page;
use super::liveness::WARM_UP_TIME;
use super::load::load;
use super::process::ServerProcess;
use super::setup::{Setup, write};
use crate::report;

/// The files that are open at a time, ours and a server's for each: runaways, hellos, and what else it has.
const FILES_MAX: u64 = 2 * storm::IN_FLIGHT_MAX as u64 + 600;

/// What to measure, and for how long.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Measure this wasm-host in place of a release build of the checkout
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// How often everything is measured; the results are medians
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=99))]
    rounds: u8,
    /// How long hellos are counted before something is put beside them
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=60))]
    seconds: u8,
    /// How long runaways are started and killed
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u16).range(1..=600))]
    kill_seconds: u16,
    /// The CPU time after which a runaway is killed, in milliseconds
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=1000))]
    cpu_ms: u16,
    /// Measure only these parts
    #[arg(long, value_enum, value_delimiter = ',', value_name = "PARTS")]
    only: Vec<Part>,
    /// Where scheduler.md and .json go [default: bench/results, or target/bench for a run that measures
    /// less than the whole]
    #[arg(long, value_name = "DIRECTORY")]
    out: Option<PathBuf>,
}

/// A part of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Equal requests at once
    Equal,
    /// Heavy requests beside hellos
    Heavy,
    /// Runaways beside hellos, which are killed
    Killed,
}

/// What was measured so far.
#[derive(Default)]
struct Rounds {
    equal: Vec<equal::Round>,
    heavy: Vec<heavy::Round>,
    killed: Vec<killed::Round>,
}

/// Measures, prints the tables and writes the results.
///
/// # Errors
///
/// Where wasm-host cannot be built or does not start, or the results cannot be written. A promise that is
/// not kept is not an error but a line of the results.
pub(super) fn run(args: &Args) -> Result<()> {
    let setup = Setup::prepare(FILES_MAX, &["mixed"])?;
    let program = setup.wasm_host(args.binary.as_deref())?;

    let begin = Instant::now();
    let mut rounds = Rounds::default();
    for round in 1..=args.rounds {
        for part in args.parts() {
            report::note("scheduler", &format!("round {round}, {part:?}").to_lowercase());
            let server = args.start(part, &program.path, &setup)?;
            load(server.address(), WARM_UP_TIME)?;
            rounds.measure(part, &server, args)?;
        }
    }
    report::done("measured", &format!("{} rounds", args.rounds), begin.elapsed());

    let out = setup.out(args.out.as_deref(), args.is_whole());
    let page = Page {
        machine: setup.machine,
        version: program.version,
        rounds: args.rounds.into(),
        seconds: args.seconds.into(),
        kill_seconds: args.kill_seconds.into(),
        cpu_ms: args.cpu_ms.into(),
        sections: args.parts().into_iter().map(|part| rounds.section(part)).collect(),
    };
    write(&out, "scheduler", &[("md", page.markdown()), ("json", page.json())])?;
    stdout().write_all(page.tables().as_bytes()).context("printing the tables")
}

impl Rounds {
    fn measure(&mut self, part: Part, server: &ServerProcess, args: &Args) -> Result<()> {
        let alone = Duration::from_secs(args.seconds.into());
        match part {
            Part::Equal => self.equal.push(equal::measure(server)?),
            Part::Heavy => self.heavy.push(heavy::measure(server, alone)?),
            Part::Killed => {
                let duration = Duration::from_secs(args.kill_seconds.into());
                self.killed.push(killed::measure(server, alone, duration)?);
            }
        }
        Ok(())
    }

    fn section(&self, part: Part) -> section::Section {
        match part {
            Part::Equal => equal::section(&self.equal),
            Part::Heavy => heavy::section(&self.heavy),
            Part::Killed => killed::section(&self.killed),
        }
    }
}

impl Args {
    /// The parts to measure, in the order of the results.
    fn parts(&self) -> Vec<Part> {
        let mut parts = vec![Part::Equal, Part::Heavy, Part::Killed];
        parts.retain(|part| self.only.is_empty() || self.only.contains(part));
        parts
    }

    /// Whether this is the run that the results in the repository come from, or a better one.
    fn is_whole(&self) -> bool {
        self.rounds >= 3
            && self.seconds >= 4
            && self.kill_seconds >= 60
            && self.cpu_ms == 3
            && self.parts().len() == 3
    }

    fn start(&self, part: Part, program: &Path, setup: &Setup) -> Result<ServerProcess> {
        let mut command = Command::new(program);
        command.arg("serve").arg(setup.component("mixed")).args(["--listen", "127.0.0.1:0"]);
        match part {
            Part::Equal | Part::Heavy => {}
            Part::Killed => {
                command.arg(format!("--cpu-time={}ms", self.cpu_ms));
            }
        }
        ServerProcess::start(&mut command, &setup.work).context("wasm-host does not start")
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
        let args = parse("--only killed,equal,killed").expect("arguments");
        assert_eq!(args.parts(), [Part::Equal, Part::Killed]);
        assert_eq!(parse("").expect("arguments").parts(), [Part::Equal, Part::Heavy, Part::Killed]);
    }

    #[test]
    fn only_a_whole_run_replaces_the_results() {
        for line in ["", "--rounds 9 --kill-seconds 90", "--only killed,heavy,equal"] {
            assert!(parse(line).expect("arguments").is_whole(), "{line}");
        }
        for line in ["--rounds 1", "--seconds 3", "--kill-seconds 59", "--cpu-ms 4", "--only equal"] {
            assert!(!parse(line).expect("arguments").is_whole(), "{line}");
        }
    }

    #[test]
    fn what_no_run_could_keep_is_refused() {
        for line in ["--rounds 0", "--seconds 61", "--kill-seconds 601", "--cpu-ms 0", "--only hello"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
