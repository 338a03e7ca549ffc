//! `cargo xtask bench middleware`: what a layer of middleware costs a request. Hello alone, behind one
//! layer and behind two take turns, so that all of them see the same machine.

use std::fmt::Write as _;
use std::io::{Write as _, stdout};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::liveness::WARM_UP_TIME;
use super::load::{CONNECTIONS, Loaded, load_with};
use super::machine::Machine;
use super::process::ServerProcess;
use super::setup::{Setup, Turns, write};
use super::statistics::{median_number, median_time};
use crate::report;

/// Layers in front of hello, one server for each.
const LAYERS: [usize; 3] = [0, 1, 2];
/// The handlers, with the middleware that goes in front of each.
const GUESTS: [(&str, &str); 2] = [("hello", "auth"), ("hello3", "auth3")];
/// What gets through every layer.
const REQUEST: &[u8] = b"GET /hello HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer open\r\n\r\n";
/// Files that are open besides the load's connections.
const OTHER_FILES_MAX: u64 = 100;

/// What was found of a handler behind so many layers.
struct Row {
    handler: &'static str,
    layers: usize,
    per_second: f64,
    p50: Option<Duration>,
    p99: Option<Duration>,
}

/// Measures, prints the table and writes it.
///
/// # Errors
///
/// Where wasm-host cannot be built, does not start or does not answer, or the results cannot be written.
pub(super) fn run(args: &Turns) -> Result<()> {
    let names: Vec<_> = GUESTS.iter().flat_map(|&(handler, layer)| [handler, layer]).collect();
    let setup = Setup::prepare(CONNECTIONS as u64 + OTHER_FILES_MAX, &names)?;
    let program = setup.wasm_host(args.binary.as_deref())?;

    let begin = Instant::now();
    let mut rows = Vec::new();
    for (handler, layer) in GUESTS {
        let components = [setup.component(handler), setup.component(layer)];
        let rounds = measure(&program.path, &components, &setup.work, args)
            .with_context(|| format!("{handler} behind {layer}"))?;
        rows.extend(LAYERS.iter().zip(rounds).map(|(&layers, turns)| row(handler, layers, &turns)));
    }
    report::done("measured", "middleware", begin.elapsed());

    let page = page(&setup.machine, &program.version, args, &rows);
    write(&setup.out(args.out.as_deref(), true), "middleware", &[("md", page.clone())])?;
    stdout().write_all(page.as_bytes()).context("printing the table")
}

/// The turns of each number of layers.
fn measure(program: &Path, components: &[PathBuf; 2], work: &Path, args: &Turns) -> Result<Vec<Vec<Loaded>>> {
    let [handler, layer] = components;
    let mut servers = Vec::new();
    for layers in LAYERS {
        let mut command = Command::new(program);
        command.arg("serve").arg(handler).args(["--listen", "127.0.0.1:0", "--admin", "off"]);
        command.args(["--env", "AUTH_TOKEN=open"]);
        (0..layers).for_each(|_| {
            command.arg("--middleware").arg(layer);
        });
        // Without the token a layer answers 401, so it is no hello that tells.
        let there = |address| TcpStream::connect(address).is_ok();
        let server = ServerProcess::start_until(&mut command, work, there)?;
        load_with(server.address(), REQUEST, WARM_UP_TIME)?;
        servers.push(server);
    }
    let mut turns: Vec<_> = LAYERS.iter().map(|_| Vec::new()).collect();
    for _ in 0..args.rounds {
        for (server, turns) in servers.iter().zip(&mut turns) {
            let loaded = load_with(server.address(), REQUEST, Duration::from_secs(args.seconds))?;
            ensure!(loaded.failed == 0, "{} requests failed", loaded.failed);
            turns.push(loaded);
        }
    }
    Ok(turns)
}

fn row(handler: &'static str, layers: usize, turns: &[Loaded]) -> Row {
    Row {
        handler,
        layers,
        per_second: median_number(turns.iter().map(|turn| turn.per_second)).unwrap_or_default(),
        p50: median_time(turns.iter().map(|turn| turn.latency.p50)),
        p99: median_time(turns.iter().map(|turn| turn.latency.p99)),
    }
}

fn page(machine: &Machine, version: &str, args: &Turns, rows: &[Row]) -> String {
    let mut page = format!(
        "# Middleware\n{version}, {}, by `cargo xtask bench middleware`: {CONNECTIONS} \
         connections\nthat ask for hello as fast as they get it, behind so many layers that look for a token. \
         Medians of {} turns of {} s,\ninterleaved; server and client share the cores.{}\n\n\
         | handler | layers | requests/s | CPU time of a layer | p50 | p99 |\n|---|--:|--:|--:|--:|--:|\n",
        machine.line(),
        args.rounds,
        args.seconds,
        machine.load_line(),
    );
    for row in rows {
        let alone = rows.iter().find(|other| other.handler == row.handler && other.layers == 0);
        // All cores are busy, so that a request's time of all cores is what it costs.
        let cost = alone.filter(|_| row.layers > 0).map_or_else(String::new, |alone| {
            let more = machine.cores as f64 * (1.0 / row.per_second - 1.0 / alone.per_second);
            format!("{:.1} µs", more * 1e6 / row.layers as f64)
        });
        // Writing to a string cannot fail.
        let _ = writeln!(
            page,
            "| {} | {} | {:.0} | {cost} | {} | {} |",
            row.handler,
            row.layers,
            row.per_second,
            milliseconds(row.p50),
            milliseconds(row.p99),
        );
    }
    page
}

fn milliseconds(time: Option<Duration>) -> String {
    time.map_or_else(|| "none".to_owned(), |time| format!("{:.2} ms", time.as_secs_f64() * 1e3))
}

#[cfg(test)]
mod tests {
    use super::super::setup::parse;
    use super::*;

    #[test]
    fn page_has_a_line_for_every_number_of_layers_and_what_one_costs() {
        let row = |layers, per_second| Row {
            handler: "hello",
            layers,
            per_second,
            p50: Some(Duration::from_micros(250)),
            p99: None,
        };
        let args = parse("--rounds 3 --seconds 1").expect("arguments");
        let page = page(&Machine::example(), "wasm-host 0.1.0", &args, &[row(0, 20_000.0), row(2, 10_000.0)]);
        assert!(page.contains("| hello | 0 | 20000 |  | 0.25 ms | none |\n"), "{page}");
        assert!(page.contains("| hello | 2 | 10000 | 50.0 µs | 0.25 ms | none |\n"), "{page}");
        assert!(page.contains("Medians of 3 turns of 1 s"), "{page}");
    }
}
