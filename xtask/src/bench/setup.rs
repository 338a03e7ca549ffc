//! What every benchmark begins and ends with: the checkout, the machine, the guests and a place to work in,
//! and the files that its results are kept in.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Parser as _;

use super::machine::{Machine, raise_open_files};
use super::peers::{Given, Software, bring};
use super::server::Program;
use crate::guests;
use crate::report;
use crate::workspace::Workspace;

/// The load average from which the cores are plainly not ours alone.
const QUIET_LOAD_MAX: f64 = 0.5;

/// The task that builds guests, with what would be typed after its name.
#[derive(clap::Parser)]
struct Guests {
    #[command(flatten)]
    args: guests::Args,
}

/// What a benchmark is told whose turns are those of wasm-host alone.
#[derive(clap::Args)]
pub(crate) struct Turns {
    /// Measure this wasm-host in place of a release build of the checkout
    #[arg(long, value_name = "PATH")]
    pub(super) binary: Option<PathBuf>,
    /// How often each takes its turn
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub(super) rounds: usize,
    /// How long each thing is measured in a turn
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub(super) seconds: u64,
    /// Where the results go
    #[arg(long, value_name = "DIRECTORY")]
    pub(super) out: Option<PathBuf>,
}

/// Where a benchmark runs.
pub(super) struct Setup {
    pub(super) workspace: Workspace,
    pub(super) machine: Machine,
    /// The directory for what is written on the way.
    pub(super) work: PathBuf,
}

impl Setup {
    /// Looks at the machine, lets this process have `files_max` files open, and builds `guests`.
    ///
    /// # Errors
    ///
    /// Where there is no checkout, a guest cannot be built, or the directory cannot be made.
    pub(super) fn prepare(files_max: u64, guests: &[&str]) -> Result<Self> {
        let workspace = Workspace::find().context("finding the checkout")?;
        let machine = Machine::look()?;
        if let Some(load) = machine.load.filter(|&load| load > QUIET_LOAD_MAX) {
            let worth = format!("the load average is {load}: figures are only as good as this is low");
            report::note("busy", &worth);
        }
        raise_open_files(files_max)?;
        let task = ["guests"].iter().chain(guests);
        guests::run(&Guests::try_parse_from(task).context("naming the guests")?.args)?;
        let work = workspace.components().with_file_name("bench");
        fs::create_dir_all(&work).with_context(|| format!("making {}", work.display()))?;
        Ok(Self { workspace, machine, work })
    }

    /// The wasm-host at `binary`, or a release build of the checkout.
    ///
    /// # Errors
    ///
    /// Where it cannot be built.
    pub(super) fn wasm_host(&self, binary: Option<&Path>) -> Result<Program> {
        bring(Software::WasmHost, &self.workspace, &Given { wasm_host: binary, wasmtime: None })
    }

    /// The component of a guest.
    pub(super) fn component(&self, guest: &str) -> PathBuf {
        self.workspace.components().join(guest).with_extension("wasm")
    }

    /// Where results go: to `given`, or into the repository if they are those of a `whole` run.
    pub(super) fn out(&self, given: Option<&Path>, whole: bool) -> PathBuf {
        match given {
            Some(out) => out.to_owned(),
            None if whole => self.workspace.root().join("bench/results"),
            None => self.work.clone(),
        }
    }
}

/// Writes the results called `name` into `out`, a file for each extension.
///
/// # Errors
///
/// Where one of them cannot be written.
pub(super) fn write(out: &Path, name: &str, files: &[(&str, String)]) -> Result<()> {
    fs::create_dir_all(out).with_context(|| format!("making {}", out.display()))?;
    for (extension, text) in files {
        let path = out.join(name).with_extension(extension);
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        report::note("written", &path.display().to_string());
    }
    Ok(())
}

/// The arguments of a benchmark from what would be typed after its name.
#[cfg(test)]
pub(super) fn parse<A: clap::Args>(line: &str) -> Result<A, clap::Error> {
    #[derive(clap::Parser)]
    struct Line<A: clap::Args> {
        #[command(flatten)]
        args: A,
    }
    Line::try_parse_from(["bench"].into_iter().chain(line.split_whitespace())).map(|line| line.args)
}
