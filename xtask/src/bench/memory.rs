//! `cargo xtask bench memory`: what an instance costs in memory, in three languages, for those who have
//! to say how many instances there may be.
//!
//! A fresh server gets so many requests at once, and its memory is read at its highest.

use std::fmt::Write as _;
use std::fs;
use std::io::{Write as _, stdout};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::exchange::{Exchange, Progress, wait};
use super::machine::Machine;
use super::process::{ServerProcess, status_field};
use super::setup::{Setup, write};
use crate::report;

/// How many requests are sent at once; none is the server by itself.
const INSTANCES: [usize; 5] = [0, 1, 8, 64, 256];
/// What is served, and how it is told apart in the results.
const GUESTS: [(&str, &str); 3] =
    [("alloc", "Rust, waiting"), ("hello-js", "JavaScript, hello"), ("hello-py", "Python, hello")];
/// The guest in Rust waits so long that all the others are there; those in other languages take longer
/// than a slice, so that each has begun before one of them ends.
const REQUEST: &[u8] = b"GET /?mib=0&ms=3000 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
/// The longest that all answers may take.
const ANSWERS_BOUND: Duration = Duration::from_secs(60);
/// Files that are open besides the requests' connections.
const OTHER_FILES_MAX: u64 = 100;

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Measure this wasm-host in place of a release build of the checkout
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// Where memory.md goes
    #[arg(long, value_name = "DIRECTORY")]
    out: Option<PathBuf>,
}

/// Measures, prints the table and writes it.
///
/// # Errors
///
/// Where wasm-host cannot be built, does not start or does not answer, or the results cannot be written.
pub(super) fn run(args: &Args) -> Result<()> {
    let files_max = INSTANCES[INSTANCES.len() - 1] as u64 + OTHER_FILES_MAX;
    let setup = Setup::prepare(files_max, &GUESTS.map(|(name, _)| name))?;
    let program = setup.wasm_host(args.binary.as_deref())?;

    let begin = Instant::now();
    let mut rows = Vec::new();
    for (name, label) in GUESTS {
        let component = setup.component(name);
        let mut peaks = Vec::new();
        for count in INSTANCES {
            let peak = peak_kib(&program.path, &component, &setup.work, count);
            peaks.push(peak.with_context(|| format!("{count} instances of {name}"))?);
        }
        rows.push((label, peaks));
    }
    report::done("measured", "memory", begin.elapsed());

    let page = page(&setup.machine, &program.version, &rows);
    write(&setup.out(args.out.as_deref(), true), "memory", &[("md", page.clone())])?;
    stdout().write_all(page.as_bytes()).context("printing the table")
}

/// The most memory that a fresh server had resident while `count` requests were at work at once.
fn peak_kib(program: &Path, component: &Path, directory: &Path, count: usize) -> Result<u64> {
    let mut command = Command::new(program);
    command.arg("serve").arg(component).args(["--listen", "127.0.0.1:0", "--instances", "1000"]);
    command.args(["--timeout", "120s", "--slice", "100us"]);
    let server = ServerProcess::start(&mut command, directory)?;
    // What compiling took is over; 5 forgets the highest so far (proc_pid_clear_refs(5)).
    fs::write(format!("/proc/{}/clear_refs", server.id()), "5").context("resetting its highest memory")?;
    let mut exchanges = Vec::with_capacity(count);
    for _ in 0..count {
        exchanges.push(Exchange::open(server.address(), REQUEST).context("connecting")?);
    }
    let due = Instant::now() + ANSWERS_BOUND;
    while !exchanges.is_empty() {
        ensure!(Instant::now() < due, "{} requests are unanswered", exchanges.len());
        let ready = wait(exchanges.iter(), Duration::from_millis(100)).context("waiting for answers")?;
        let mut ready = ready.into_iter();
        let mut failed = false;
        exchanges.retain_mut(|exchange| {
            let progress = match ready.next() {
                Some(true) => exchange.advance(),
                Some(false) | None => Progress::Pending,
            };
            failed |= matches!(progress, Progress::Failed | Progress::Answered { ok: false, .. });
            progress == Progress::Pending
        });
        ensure!(!failed, "a request was not answered with 200");
    }
    let status =
        fs::read_to_string(format!("/proc/{}/status", server.id())).context("asking for its memory")?;
    status_field(&status, "VmHWM:").context("its memory is not told")
}

fn page(machine: &Machine, version: &str, rows: &[(&str, Vec<u64>)]) -> String {
    let mut page = format!(
        "# Memory\n{version}, {}, by `cargo xtask bench memory`: the most that the host\nhad \
         resident while so many requests were at work at once, and what one of them cost at the most of them.\n\n",
        machine.line()
    );
    page.push_str("| guest |");
    for count in INSTANCES {
        // Writing to a string cannot fail.
        let _ = write!(page, " {count} |");
    }
    page.push_str(" each |\n|---|");
    page.push_str(&"--:|".repeat(INSTANCES.len() + 1));
    page.push('\n');
    for (label, peaks) in rows {
        let _ = write!(page, "| {label} |");
        for kib in peaks {
            let _ = write!(page, " {} MiB |", kib.div_ceil(1024));
        }
        let each_kib = match (peaks.first(), peaks.last(), INSTANCES.last()) {
            (Some(alone), Some(all), Some(count)) => all.saturating_sub(*alone) / *count as u64,
            _ => 0,
        };
        let _ = writeln!(page, " {:.1} MiB |", each_kib as f64 / 1024.0);
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_has_a_line_for_every_guest_and_what_one_costs() {
        let rows = [("Rust", vec![20_480, 20_481, 24_576, 40_960, 20_480 + 256 * 1536])];
        let page = page(&Machine::example(), "wasm-host 0.1.0", &rows);
        assert!(
            page.contains("| Rust | 20 MiB | 21 MiB | 24 MiB | 40 MiB | 404 MiB | 1.5 MiB |\n"),
            "{page}"
        );
        assert!(page.contains("| guest | 0 | 1 | 8 | 64 | 256 | each |\n"), "{page}");
    }
}
