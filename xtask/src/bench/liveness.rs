//! `cargo xtask bench liveness`: requests that loop forever are put beside light ones, and what the
//! light ones notice of it is measured, on wasm-host and on its peers.
//!
//! Every measurement has a fresh server. Rounds are interleaved, so what else goes on on the machine
//! hits all servers alike.

use std::io::{Write as _, stdout};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::load::load;
use super::machine::pin_client;
use super::peers::{Given, bring};
use super::probe::{ask_patiently, probe};
use super::process::ServerProcess;
use super::record::{Finding, Measured, Measurement, Record};
use super::runaways::Runaways;
use super::server::{Program, Server};
use super::setup::{Setup, write};
use super::{chart, table};
use crate::report;
use crate::workspace::Workspace;

/// How long a fresh server answers hellos before it is measured: code is compiled, pools fill, and the
/// last worker is up.
pub(super) const WARM_UP_TIME: Duration = Duration::from_secs(1);
/// Files that are open besides the runaways' connections: light requests, load, programs.
const OTHER_FILES_MAX: u64 = 600;

/// What to measure, and for how long.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Measure this wasm-host in place of a release build of the checkout
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// Measure against this wasmtime [default: one on PATH, else one is installed into target/peers]
    #[arg(long, value_name = "PATH")]
    wasmtime: Option<PathBuf>,
    /// How often everything is measured; the results are medians
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=99))]
    rounds: u8,
    /// How long light requests are sent, and how long the load lasts
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=10))]
    seconds: u8,
    /// How long the runaways run before anything is measured, in seconds
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=60))]
    settle: u8,
    /// How many requests loop forever; 0 is always measured too
    #[arg(long, value_delimiter = ',', default_value = "0,8,64,1000")]
    #[arg(value_parser = clap::value_parser!(u16).range(0..=1900))]
    runaways: Vec<u16>,
    /// Measure only these servers
    #[arg(long, value_enum, value_delimiter = ',', value_name = "SERVERS")]
    only: Vec<Server>,
    /// Give the server core 0 and nothing else, and the client core 1
    #[arg(long)]
    one_core: bool,
    /// Where liveness.md, .json and .svg go [default: bench/results, or target/bench for a run that
    /// measures less than the whole]
    #[arg(long, value_name = "DIRECTORY")]
    out: Option<PathBuf>,
}

/// A server on its way through the rounds.
struct Contestant {
    server: Server,
    /// Or why it cannot be measured, in a few words.
    program: Result<Program, String>,
    /// For every number of runaways the rounds so far.
    rounds: Vec<(usize, Vec<Measurement>)>,
}

/// Measures, prints the table and writes the results.
///
/// # Errors
///
/// Where wasm-host cannot be built or does not start, or the results cannot be written.
pub(super) fn run(args: &Args) -> Result<()> {
    let runaways = args.runaways();
    let most = runaways.last().copied().unwrap_or_default();
    let setup = Setup::prepare(most as u64 + OTHER_FILES_MAX, &["mixed"])?;
    let mut contestants = args.contestants(&setup.workspace, &runaways)?;
    if args.one_core {
        pin_client()?;
    }

    let begin = Instant::now();
    for round in 0..usize::from(args.rounds) {
        for place in 0..runaways.len() {
            for contestant in &mut contestants {
                contestant.measure(args, &setup, round, place)?;
            }
        }
    }
    report::done("measured", &format!("{} rounds", args.rounds), begin.elapsed());

    let out = setup.out(args.out.as_deref(), args.is_whole());
    let record = Record {
        machine: setup.machine,
        rounds: args.rounds.into(),
        seconds: args.seconds.into(),
        settle_seconds: args.settle.into(),
        one_core: args.one_core,
        findings: contestants.into_iter().map(Contestant::finding).collect(),
    };
    let files = [("md", table::page(&record)), ("json", record.json()), ("svg", chart::chart(&record))];
    write(&out, "liveness", &files)?;
    stdout().write_all(table::table(&record).as_bytes()).context("printing the table")
}

impl Args {
    /// The numbers of runaways in ascending order, beginning with none.
    fn runaways(&self) -> Vec<usize> {
        let mut runaways: Vec<_> = self.runaways.iter().map(|&count| count.into()).chain([0]).collect();
        runaways.sort_unstable();
        runaways.dedup();
        runaways
    }

    /// Whether this is the run that the results in the repository come from, or a better one.
    fn is_whole(&self) -> bool {
        self.rounds >= 3
            && self.seconds >= 4
            && self.only.is_empty()
            && !self.one_core
            && self.settle == 1
            && self.runaways() == [0, 8, 64, 1000]
    }

    fn contestants(&self, workspace: &Workspace, runaways: &[usize]) -> Result<Vec<Contestant>> {
        let given = Given { wasm_host: self.binary.as_deref(), wasmtime: self.wasmtime.as_deref() };
        let wanted = |server: &Server| self.only.is_empty() || self.only.contains(server);
        let mut contestants = Vec::with_capacity(Server::ALL.len());
        for server in Server::ALL.into_iter().filter(wanted) {
            let program = match bring(server.software(), workspace, &given) {
                Ok(program) => Ok(program),
                Err(error) if server == Server::WasmHost => return Err(error),
                Err(error) => {
                    report::note(server.name(), &format!("not measured: {error:#}"));
                    Err(error.to_string())
                }
            };
            let rounds = runaways.iter().map(|&count| (count, Vec::new())).collect();
            contestants.push(Contestant { server, program, rounds });
        }
        Ok(contestants)
    }
}

impl Contestant {
    /// Measures one round with one number of runaways, unless there is nothing to measure.
    fn measure(&mut self, args: &Args, setup: &Setup, round: usize, place: usize) -> Result<()> {
        let Ok(program) = &self.program else { return Ok(()) };
        let runaways = self.rounds[place].0;
        let mut command = self.server.command(&program.path, &setup.workspace, args.one_core);
        let server = match ServerProcess::start(&mut command, &setup.work) {
            Ok(server) => server,
            Err(error) if self.server == Server::WasmHost => bail!("wasm-host does not start: {error:#}"),
            Err(error) => {
                report::note(self.server.name(), &format!("does not start: {error:#}"));
                self.program = Err("it does not start".to_owned());
                return Ok(());
            }
        };
        let measurement = measure(&server, runaways, args)?;
        let what = format!(
            "round {}, {runaways} runaways: one hello {}, then {}/s after {}/s",
            round + 1,
            measurement.first.map_or_else(|| table::NO_ANSWER.to_owned(), table::time),
            table::number(measurement.per_second),
            table::number(measurement.alone_per_second)
        );
        report::note(self.server.name(), &what);
        self.rounds[place].1.push(measurement);
        Ok(())
    }

    fn finding(self) -> Finding {
        let rounds = self.rounds;
        let outcome = self.program.map(|program| Measured::of(program.version, &rounds));
        Finding { server: self.server, outcome }
    }
}

fn measure(server: &ServerProcess, runaways: usize, args: &Args) -> Result<Measurement> {
    let address = server.address();
    let duration = Duration::from_secs(args.seconds.into());
    load(address, WARM_UP_TIME)?;
    let alone_per_second = load(address, duration)?.per_second;
    let mut runaways = Runaways::open(address, runaways, Duration::from_secs(args.settle.into()))?;
    let before = runaways.in_flight()?;
    // From what leaves the least behind on a server that cannot keep up to what leaves the most, so that
    // none pays for another.
    let first = ask_patiently(address)?;
    let per_second = load(address, duration)?.per_second;
    let probed = probe(address, duration)?;
    Ok(Measurement {
        in_flight: [before, runaways.in_flight()?],
        first,
        hello: probed.hello.latency(),
        health: probed.health.latency(),
        alone_per_second,
        per_second,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::setup;

    fn parse(line: &str) -> Result<Args, clap::Error> {
        setup::parse(line)
    }

    #[test]
    fn runaways_are_ascending_and_begin_with_none() {
        let args = parse("--runaways 64,8,8 --only wasm-host,uvicorn-4").expect("arguments");
        assert_eq!(args.runaways(), [0, 8, 64]);
        assert_eq!(args.only, [Server::WasmHost, Server::Uvicorn4]);
    }

    #[test]
    fn only_a_whole_run_replaces_the_results() {
        for line in ["", "--rounds 9 --seconds 10", "--runaways 8,64,1000"] {
            assert!(parse(line).expect("arguments").is_whole(), "{line}");
        }
        for line in
            ["--rounds 1", "--seconds 3", "--runaways 8", "--only wasm-host", "--one-core", "--settle 9"]
        {
            assert!(!parse(line).expect("arguments").is_whole(), "{line}");
        }
    }

    #[test]
    fn what_no_run_could_keep_is_refused() {
        for line in ["--rounds 0", "--seconds 11", "--runaways 1901", "--only nginx"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
