//! `cargo xtask bench speed`: how fast wasm-host is, beside the runtimes that people would otherwise take and
//! beside what the machine could do.
//!
//! Every measurement has a fresh server. Within a round all servers of all scenarios take turns, so what
//! else goes on on the machine hits them alike.

mod alone;
mod connection;
mod crowd;
mod footprint;
mod page;
mod picture;
mod promises;
mod reply;
mod results;
mod scenario;
mod server;
mod turn;

use std::io::{Write as _, stdout};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use self::results::{Cell, Figure, Results, Rounds};
use self::scenario::Scenario;
use self::server::Server;
use self::turn::Turn;
use super::peers::{Given, Software, bring};
use super::server::Program;
use super::setup::{Setup, write};
use crate::report;

/// Files that are open at a time: connections of a crowd, and what else there is.
const FILES_MAX: u64 = scenario::CONNECTIONS_MAX as u64 + 300;

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
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=99))]
    rounds: u8,
    /// How long a server is measured in a turn
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=60))]
    seconds: u8,
    /// Measure only these servers
    #[arg(long, value_enum, value_delimiter = ',', value_name = "SERVERS")]
    only: Vec<Server>,
    /// Measure only in these scenarios
    #[arg(long, value_enum, value_delimiter = ',', value_name = "SCENARIOS")]
    scenario: Vec<Scenario>,
    /// Where speed.md, .json and .svg go [default: bench/results, or target/bench for a run that measures
    /// less than the whole]
    #[arg(long, value_name = "DIRECTORY")]
    out: Option<PathBuf>,
}

/// The programs that are here, or why they are not.
struct Programs(Vec<(Software, Result<Program, String>)>);

/// Measures, prints the tables and writes the results.
///
/// # Errors
///
/// Where wasm-host cannot be built, or the results cannot be written. A peer that cannot be had, a server that
/// fails in a scenario and a promise that is not kept are not errors but lines of the results.
pub(super) fn run(args: &Args) -> Result<()> {
    let setup = Setup::prepare(FILES_MAX, &args.guests())?;
    let mut cells = args.cells();
    let programs = Programs::bring(&cells, args, &setup)?;

    let begin = Instant::now();
    for round in 1..=args.rounds {
        for cell in &mut cells {
            measure(cell, &programs, args, &setup, round);
        }
    }
    report::done("measured", &format!("{} rounds", args.rounds), begin.elapsed());

    let out = setup.out(args.out.as_deref(), args.is_whole());
    let results = Results {
        machine: setup.machine,
        rounds: args.rounds.into(),
        seconds: args.seconds.into(),
        versions: programs.versions(),
        cells,
    };
    let files = [("md", page::page(&results)), ("json", results.json()), ("svg", picture::picture(&results))];
    write(&out, "speed", &files)?;
    stdout().write_all(page::tables(&results).as_bytes()).context("printing the tables")
}

/// Has a cell's turn in a round, unless there is nothing to measure.
fn measure(cell: &mut Cell, programs: &Programs, args: &Args, setup: &Setup, round: u8) {
    let Cell { scenario, server, outcome } = cell;
    let Ok(rounds) = outcome else { return };
    let what = format!("round {round}, {}", scenario.title());
    let program = match programs.of(*server) {
        Ok(program) => program,
        Err(reason) => {
            *outcome = Err(reason);
            return;
        }
    };
    let duration = Duration::from_secs(args.seconds.into());
    let turn = Turn { scenario: *scenario, server: *server, program: &program.path, duration };
    let prepared = if round == 1 { turn.prepare(setup) } else { Ok(()) };
    match prepared.and_then(|()| turn.take(setup)) {
        Ok(figures) => {
            let told: Vec<_> = figures.iter().map(Figure::told).collect();
            report::note(server.name(), &format!("{what}: {}", told.join(", ")));
            rounds.push(&figures);
        }
        Err(error) => {
            report::note(server.name(), &format!("{what}: {error:#}"));
            *outcome = Err(error.to_string());
        }
    }
}

impl Args {
    /// Every server in every scenario that is to be measured.
    fn cells(&self) -> Vec<Cell> {
        let mut cells = Vec::new();
        for scenario in self.scenarios() {
            let wanted = |server: &Server| self.only.is_empty() || self.only.contains(server);
            let servers = scenario.servers().iter().copied().filter(wanted);
            cells.extend(servers.map(|server| Cell { scenario, server, outcome: Ok(Rounds::default()) }));
        }
        cells
    }

    fn scenarios(&self) -> impl Iterator<Item = Scenario> {
        let wanted = |scenario: &Scenario| self.scenario.is_empty() || self.scenario.contains(scenario);
        Scenario::ALL.into_iter().filter(wanted)
    }

    /// The guests that are needed.
    fn guests(&self) -> Vec<&'static str> {
        let mut guests: Vec<_> = self.scenarios().map(Scenario::guest).collect();
        guests.sort_unstable();
        guests.dedup();
        guests
    }

    /// Whether this is the run that the results in the repository come from, or a better one.
    fn is_whole(&self) -> bool {
        self.rounds >= 5 && self.seconds >= 4 && self.only.is_empty() && self.scenario.is_empty()
    }
}

impl Programs {
    /// Finds or brings what the servers of `cells` are.
    fn bring(cells: &[Cell], args: &Args, setup: &Setup) -> Result<Self> {
        let given = Given { wasm_host: args.binary.as_deref(), wasmtime: args.wasmtime.as_deref() };
        let mut programs = Self(Vec::new());
        for server in Server::ALL {
            let software = server.software();
            let is_wanted = cells.iter().any(|cell| cell.server == server);
            if !is_wanted || programs.0.iter().any(|(other, _)| *other == software) {
                continue;
            }
            let program = match bring(software, &setup.workspace, &given) {
                Err(error) if software == Software::WasmHost => return Err(error),
                Err(error) => {
                    report::note(server.name(), &format!("not measured: {error:#}"));
                    Err(error.to_string())
                }
                Ok(program) => Ok(program),
            };
            programs.0.push((software, program));
        }
        Ok(programs)
    }

    fn of(&self, server: Server) -> Result<&Program, String> {
        let software = server.software();
        match self.0.iter().find(|(other, _)| *other == software) {
            Some((_, program)) => program.as_ref().map_err(Clone::clone),
            None => Err("it was not asked for".to_owned()),
        }
    }

    fn versions(&self) -> Vec<String> {
        self.0.iter().filter_map(|(_, program)| Some(program.as_ref().ok()?.version.clone())).collect()
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
    fn cells_are_those_of_the_servers_and_scenarios_that_are_named() {
        let args = parse("--only bare-hyper,wasm-host --scenario hello-256,hello").expect("arguments");
        let cells: Vec<_> = args.cells().iter().map(|cell| (cell.scenario, cell.server)).collect();
        let expected = [
            (Scenario::Hello, Server::WasmHost),
            (Scenario::Hello, Server::BareHyper),
            (Scenario::Hello256, Server::WasmHost),
            (Scenario::Hello256, Server::BareHyper),
        ];
        assert_eq!(cells, expected);
        assert_eq!(args.guests(), ["hello"]);
    }

    #[test]
    fn only_a_whole_run_replaces_the_results() {
        for line in ["", "--rounds 9 --seconds 10"] {
            assert!(parse(line).expect("arguments").is_whole(), "{line}");
        }
        for line in ["--rounds 4", "--seconds 3", "--only wasm-host", "--scenario hello"] {
            assert!(!parse(line).expect("arguments").is_whole(), "{line}");
        }
    }

    #[test]
    fn what_no_run_could_keep_is_refused() {
        for line in ["--rounds 0", "--seconds 61", "--only nginx", "--scenario goodbye"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
