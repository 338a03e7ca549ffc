//! `cargo xtask bench micro`: the parts of a request, each by itself, in time and in instructions.
//!
//! Time is criterion's to measure. Instructions are counted by callgrind, which has the same figure for the same
//! program every time, within a fraction of a percent: so they are kept, and the tests compare them.

use std::collections::hash_map::DefaultHasher;
use std::env::consts::ARCH;
use std::fs;
use std::hash::{Hash as _, Hasher as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value, json};

use super::setup::{Setup, write};
use crate::command::run as output_of;
use crate::report;
use crate::tools;

/// The parts, as `bench/micro` calls them.
const PARTS: [&str; 6] = ["head", "dispatch", "store", "instantiate", "call", "body"];
/// The guests that they take.
const GUESTS: [&str; 2] = ["hello", "echo"];
/// How often a part is done in the two runs whose difference counts: what comes before and after is in both.
const TIMES: [u64; 2] = [100, 500];
/// How often a part is counted that takes more than it may.
const TRIES: u32 = 3;
/// What a part may take more than was recorded, in percent.
const WORSE_MAX_PERCENT: u64 = 3;
/// The longest that building, or one run, may take.
const BUILD_BOUND: Duration = Duration::from_secs(40 * 60);
const RUN_BOUND: Duration = Duration::from_secs(10 * 60);
const LOOK_BOUND: Duration = Duration::from_secs(30);
/// The counts in the repository.
const RECORDED: &str = "bench/results/micro.json";

/// What to do with the parts.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Count instructions only, and compare them with those that are recorded
    #[arg(long, conflicts_with = "record")]
    check: bool,
    /// Count instructions only, and record them
    #[arg(long)]
    record: bool,
}

impl Args {
    /// Those of a test.
    pub(crate) fn check() -> Self {
        Self { check: true, record: false }
    }
}

/// Instructions of each part, and what they depend on besides this repository.
#[derive(Debug, PartialEq)]
struct Counts {
    tools: String,
    parts: Vec<(String, u64)>,
}

/// Measures the parts.
///
/// # Errors
///
/// Where something cannot be built or run; with `--check`, where a part takes more instructions than it may.
pub(crate) fn run(args: &Args) -> Result<()> {
    let setup = Setup::prepare(1024, &GUESTS)?;
    let root = setup.workspace.root();
    if !args.check && !args.record {
        let timed = Command::new("cargo")
            .args(["bench", "--package", "wasm-host", "--bench", "micro"])
            .current_dir(root)
            .status()
            .context("`cargo bench` cannot be started")?;
        ensure!(timed.success(), "`cargo bench` failed ({timed})");
    }
    let counter = Counter::prepare(&setup)?;
    let tools = tools_of(&setup)?;
    if args.record {
        let path = root.join(RECORDED);
        let (out, name) = (path.parent().unwrap_or(root), path.file_stem().unwrap_or_default());
        let counts = counter.count(tools, None)?;
        return write(out, &name.to_string_lossy(), &[("json", counts.text())]);
    }
    let recorded = fs::read_to_string(root.join(RECORDED)).with_context(|| format!("reading {RECORDED}"))?;
    let recorded = Counts::read(&recorded).with_context(|| format!("{RECORDED} is not what was written"))?;
    compare(&recorded, &counter.count(tools, Some(&recorded))?)
}

/// Says how the counts differ from those that are recorded.
///
/// # Errors
///
/// Names the parts that take too many, if they can be compared at all.
fn compare(recorded: &Counts, counts: &Counts) -> Result<()> {
    let mut worse = Vec::new();
    for (part, count) in &counts.parts {
        let before = recorded.of(part);
        let change = |before: u64| format!("{:+.1} %", (*count as f64 / before as f64 - 1.0) * 100.0);
        let told = before.map_or("not recorded".to_owned(), change);
        report::note(part, &format!("{count} instructions ({told})"));
        if before.is_none_or(|before| too_many(before, *count)) {
            worse.push(format!("{part} ({told})"));
        }
    }
    let again = "`cargo xtask bench micro --record` records them anew";
    if recorded.tools != counts.tools {
        // Another compiler's instructions are others.
        let (then, now) = (&recorded.tools, &counts.tools);
        report::note("compared", &format!("no: they were counted with {then}, and now with {now}; {again}"));
        return Ok(());
    }
    if !worse.is_empty() {
        bail!(
            "more than {WORSE_MAX_PERCENT} % more instructions than recorded in {RECORDED}: {}; {again}, where that is \
             worth it",
            worse.join(", ")
        );
    }
    Ok(())
}

/// Counts instructions, in a build as the tests have it.
struct Counter {
    program: PathBuf,
    place: Place,
}

impl Counter {
    fn prepare(setup: &Setup) -> Result<Self> {
        tools::bring(&setup.workspace)?;
        let counter = Self { program: build(setup)?, place: Place::make(&setup.work)? };
        // The first run fills the cache: it has more to do.
        instructions(&counter.program, PARTS[0], 1, &counter.place)?;
        Ok(counter)
    }

    /// Counts those of every part. One that takes more than is `recorded` is counted again: other threads and the
    /// clock have a share in what a job takes from one thread to another.
    fn count(&self, tools: String, recorded: Option<&Counts>) -> Result<Counts> {
        let parts = PARTS.into_iter().map(|part| {
            let before = recorded.and_then(|recorded| recorded.of(part));
            let mut count = self.count_part(part)?;
            for _ in 1..TRIES {
                if before.is_some_and(|before| too_many(before, count)) {
                    count = count.min(self.count_part(part)?);
                }
            }
            Ok((part.to_owned(), count))
        });
        Ok(Counts { tools, parts: parts.collect::<Result<_>>()? })
    }

    fn count_part(&self, part: &str) -> Result<u64> {
        let [few, many] = TIMES.map(|times| instructions(&self.program, part, times, &self.place));
        let (few, many) = (few?, many?);
        // What costs nothing was not done, and would pass for an improvement.
        let count = many.saturating_sub(few) / (TIMES[1] - TIMES[0]);
        ensure!(
            count > 0,
            "{part} takes {few} instructions {} times, and {many} {} times",
            TIMES[0],
            TIMES[1]
        );
        Ok(count)
    }
}

/// Whether a part takes more than it may.
fn too_many(before: u64, now: u64) -> bool {
    now * 100 > before * (100 + WORSE_MAX_PERCENT)
}

/// Builds `bench/micro` out of what the tests have built, with their features; returns the program.
fn build(setup: &Setup) -> Result<PathBuf> {
    let mut cargo = Command::new("cargo");
    cargo.args(["bench", "--workspace", "--features", crate::test::FEATURES, "--bench", "micro"]);
    cargo.args(["--no-run", "--profile", "dev", "--message-format", "json"]);
    let told = output_of(cargo.current_dir(setup.workspace.root()), BUILD_BOUND)?;
    let programs = told.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut programs = programs.filter(|message| message["target"]["name"] == "micro");
    let program = programs.find_map(|message| message["executable"].as_str().map(PathBuf::from));
    program.context("cargo does not say where the program is")
}

/// Runs a part so many times and counts all instructions of the process.
fn instructions(program: &Path, part: &str, times: u64, place: &Place) -> Result<u64> {
    let logs = place.empty("logs")?;
    let mut valgrind = Command::new("valgrind");
    // The child that compiles is traced, too: it is to see the same processor. Its output is not to be written to.
    valgrind.args(["--tool=callgrind", "--trace-children=yes"]);
    for (option, name) in [("log", "log"), ("callgrind-out", "counts")] {
        valgrind.arg(format!("--{option}-file={}.%p", logs.join(name).display()));
    }
    valgrind.arg(program).args(["--count", part, &times.to_string()]).arg(place.cache());
    output_of(&mut valgrind, RUN_BOUND)?;
    for log in fs::read_dir(&logs).context("reading what valgrind has said")? {
        let said = fs::read_to_string(log?.path())?;
        if let Some((_, count)) = said.split_once("Collected : ")
            && said.contains("--count")
        {
            let count = count.lines().next().unwrap_or_default().trim();
            return count.parse().with_context(|| format!("{count:?} is no count"));
        }
    }
    bail!("callgrind says nothing of what it has collected")
}

/// What the counts depend on: compilers, the guests that they made, valgrind, and the kernel, which may be able to tell
/// which pages were written to.
fn tools_of(setup: &Setup) -> Result<String> {
    let version = |program: &str| {
        let told = output_of(Command::new(program).arg("--version"), LOOK_BOUND)?;
        Ok::<_, anyhow::Error>(told.trim().to_owned())
    };
    let mut guests = DefaultHasher::new();
    for guest in GUESTS {
        let path = setup.component(guest);
        fs::read(&path).with_context(|| format!("reading {}", path.display()))?.hash(&mut guests);
    }
    let kernel = &setup.machine.kernel;
    let kernel = kernel.split('.').take(2).collect::<Vec<_>>().join(".");
    let (rustc, valgrind) = (version("rustc")?, version("valgrind")?);
    Ok(format!("{rustc}, {valgrind}, {kernel} on {ARCH}, guests {:016x}", guests.finish()))
}

/// A directory of our own, gone with this.
struct Place(PathBuf);

impl Place {
    fn make(work: &Path) -> Result<Self> {
        let place = Self(work.join("micro"));
        place.empty("cache")?;
        Ok(place)
    }

    /// Where compiled code is kept.
    fn cache(&self) -> PathBuf {
        self.0.join("cache")
    }

    /// An empty directory in it, that is nobody else's.
    fn empty(&self, name: &str) -> Result<PathBuf> {
        let path = self.0.join(name);
        let made = || {
            if path.exists() {
                fs::remove_dir_all(&path)?;
            }
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&path)
        };
        made().with_context(|| format!("making {}", path.display()))?;
        Ok(path)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What is left there is in nobody's way.
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Counts {
    fn of(&self, part: &str) -> Option<u64> {
        self.parts.iter().find(|(name, _)| name == part).map(|(_, count)| *count)
    }

    fn text(&self) -> String {
        let parts = self.parts.iter().map(|(part, count)| (part.clone(), json!(count)));
        let parts = Value::Object(parts.collect::<Map<_, _>>());
        format!("{:#}\n", json!({ "tools": self.tools, "instructions": parts }))
    }

    fn read(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        let count = |(part, count): (&String, &Value)| Some((part.clone(), count.as_u64()?));
        let parts = value["instructions"].as_object()?.iter().map(count).collect::<Option<_>>()?;
        Some(Self { tools: value["tools"].as_str()?.to_owned(), parts })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(tools: &str, parts: &[(&str, u64)]) -> Counts {
        let parts = parts.iter().map(|(part, count)| ((*part).to_owned(), *count)).collect();
        Counts { tools: tools.to_owned(), parts }
    }

    #[test]
    fn what_is_written_is_read() {
        let written = counts("a, b", &[("call", 2), ("head", 1)]);
        assert_eq!(Counts::read(&written.text()), Some(written));
        assert_eq!(Counts::read("{}"), None);
    }

    #[test]
    fn more_than_three_percent_more_is_too_much_and_less_is_not() {
        let recorded = counts("a", &[("head", 1000), ("call", 1000)]);
        assert!(compare(&recorded, &counts("a", &[("head", 1030), ("call", 500)])).is_ok());
        let error = compare(&recorded, &counts("a", &[("head", 1031), ("call", 1000)])).expect_err("worse");
        assert!(error.to_string().contains("head (+3.1 %)"), "{error}");
        let error = compare(&recorded, &counts("a", &[("new", 1)])).expect_err("unknown");
        assert!(error.to_string().contains("new (not recorded)"), "{error}");
    }

    #[test]
    fn counts_of_other_tools_are_not_compared() {
        let recorded = counts("a", &[("head", 1000)]);
        assert!(compare(&recorded, &counts("b", &[("head", 5000)])).is_ok());
    }
}
