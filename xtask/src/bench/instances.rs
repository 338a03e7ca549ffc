//! `cargo xtask bench instances`: what it is worth to make instances ahead (`--warm`) or to use them again
//! (`--reuse`). Servers that differ in nothing else take turns, so that all of them see the same machine.

use std::fmt::Write as _;
use std::io::{Write as _, stdout};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::exchange::HELLO;
use super::liveness::WARM_UP_TIME;
use super::load::{CONNECTIONS, load_with};
use super::machine::Machine;
use super::probe::probe;
use super::process::ServerProcess;
use super::setup::{Setup, Turns, write};
use super::statistics::{Latency, median_number, median_time};
use crate::report;

/// The handlers, and of how many of [`KINDS`] each can be: the engine of JavaScript answers once in its life.
const GUESTS: [(&str, usize); 3] = [("hello", 3), ("hello3", 3), ("hello-js", 2)];
/// How their instances live.
const KINDS: [(&str, &[&str]); 3] =
    [("fresh", &[]), ("`--warm 8`", &["--warm", "8"]), ("`--reuse 1000`", &["--reuse", "1000"])];
/// Files that are open besides the load's connections.
const OTHER_FILES_MAX: u64 = 200;

/// One turn of one server.
struct Turn {
    /// At a hundred requests a second.
    paced: Latency,
    /// Under full load.
    per_second: f64,
}

/// Measures, prints the table and writes it.
///
/// # Errors
///
/// Where wasm-host cannot be built, does not start or does not answer, or the results cannot be written.
pub(super) fn run(args: &Turns) -> Result<()> {
    let setup = Setup::prepare(CONNECTIONS as u64 + OTHER_FILES_MAX, &GUESTS.map(|(guest, _)| guest))?;
    let program = setup.wasm_host(args.binary.as_deref())?;

    let begin = Instant::now();
    let mut rows = String::new();
    for (guest, kinds) in GUESTS {
        let kinds = &KINDS[..kinds];
        let turns = measure(&program.path, &setup.component(guest), kinds, &setup.work, args)
            .with_context(|| format!("measuring {guest}"))?;
        for ((kind, _), turns) in kinds.iter().zip(&turns) {
            rows.push_str(&row(guest, kind, turns));
        }
    }
    report::done("measured", "instances", begin.elapsed());

    let page = page(&setup.machine, &program.version, args, &rows);
    write(&setup.out(args.out.as_deref(), true), "instances", &[("md", page.clone())])?;
    stdout().write_all(page.as_bytes()).context("printing the table")
}

/// The turns of each kind.
fn measure(
    program: &Path,
    component: &Path,
    kinds: &[(&str, &[&str])],
    work: &Path,
    args: &Turns,
) -> Result<Vec<Vec<Turn>>> {
    let mut servers = Vec::new();
    for (_, settings) in kinds {
        let mut command = Command::new(program);
        command.arg("serve").arg(component).args(["--listen", "127.0.0.1:0", "--admin", "off"]);
        let server = ServerProcess::start(command.args(*settings), work)?;
        load_with(server.address(), HELLO, WARM_UP_TIME)?;
        servers.push(server);
    }
    let mut turns: Vec<_> = kinds.iter().map(|_| Vec::new()).collect();
    let time = Duration::from_secs(args.seconds);
    for _ in 0..args.rounds {
        for (server, turns) in servers.iter().zip(&mut turns) {
            let paced = probe(server.address(), time)?.hello.latency();
            let loaded = load_with(server.address(), HELLO, time)?;
            ensure!(loaded.failed == 0 && paced.failed_share == 0.0, "requests failed");
            turns.push(Turn { paced, per_second: loaded.per_second });
        }
    }
    Ok(turns)
}

fn row(guest: &str, kind: &str, turns: &[Turn]) -> String {
    let mut row = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(
        row,
        "| {guest} | {kind} | {} | {} | {:.0} |",
        microseconds(median_time(turns.iter().map(|turn| turn.paced.p50))),
        microseconds(median_time(turns.iter().map(|turn| turn.paced.p99))),
        median_number(turns.iter().map(|turn| turn.per_second)).unwrap_or_default(),
    );
    row
}

fn page(machine: &Machine, version: &str, args: &Turns, rows: &str) -> String {
    format!(
        "# Instances\n{version}, {}, by `cargo xtask bench instances`: a hundred hellos a \
         second,\neach on a new connection, and as many as {CONNECTIONS} connections get. Medians of {} turns of \
         {} s, interleaved;\nserver and client share the cores.{}\n\n\
         | handler | instances | p50 | p99 | requests/s under full load |\n|---|---|--:|--:|--:|\n{rows}",
        machine.line(),
        args.rounds,
        args.seconds,
        machine.load_line(),
    )
}

fn microseconds(time: Option<Duration>) -> String {
    time.map_or_else(|| "none".to_owned(), |time| format!("{:.0} µs", time.as_secs_f64() * 1e6))
}

#[cfg(test)]
mod tests {
    use super::super::setup::parse;
    use super::*;

    #[test]
    fn page_has_a_line_for_every_kind_of_instance() {
        let turn = |p50| Turn {
            paced: Latency {
                p50: Some(Duration::from_micros(p50)),
                p99: None,
                failed_share: 0.0,
                refused_share: 0.0,
            },
            per_second: 100.0 * p50 as f64,
        };
        let args = parse("--rounds 3 --seconds 1").expect("arguments");
        let rows = row("hello", "fresh", &[turn(300), turn(100), turn(200)]);
        let page = page(&Machine::example(), "wasm-host 0.1.0", &args, &rows);
        assert!(page.contains("| hello | fresh | 200 µs | none | 20000 |\n"), "{page}");
        assert!(page.contains("Medians of 3 turns of 1 s"), "{page}");
    }
}
