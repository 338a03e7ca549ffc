//! `cargo xtask test`: the one test command. Brings what is missing, builds the guests and runs every
//! check; ends at the first that fails.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::bench;
use crate::guests;
use crate::report;
use crate::tools;
use crate::workspace::Workspace;

/// The host's fail points, which the tests of its own faults set off.
pub(crate) const FEATURES: &str = "wasm-host/failpoints";

/// What to test, and how.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Run the tests whose names contain this, and no other check
    filter: Option<String>,
}

/// Runs the checks, or the tests that a filter names.
///
/// # Errors
///
/// Names the first check that failed.
pub(crate) fn run(args: &Args) -> Result<()> {
    let workspace = Workspace::find().context("finding the checkout")?;
    tools::bring(&workspace)?;
    guests::run(&guests::Args::all())?;
    let check = |step, arguments| pass(&workspace, step, "cargo", arguments);
    if let Some(filter) = &args.filter {
        return check("test", &["test", "--workspace", "--features", FEATURES, filter]);
    }
    check("format", &["fmt", "--all", "--check"])?;
    check("format", &["fmt", "--manifest-path", "guest/Cargo.toml", "--all", "--check"])?;
    let clippy = ["clippy", "--workspace", "--all-targets", "--features", FEATURES, "--", "-Dwarnings"];
    check("clippy", &clippy)?;
    check("docs", &["doc", "--workspace", "--no-deps", "--features", FEATURES])?;
    if tools::has("cargo-deny") {
        check("deny", &["deny", "check", "bans", "licenses", "sources"])?;
    } else {
        report::note("deny", "skipped: cargo-deny is not installed");
    }
    check("test", &["test", "--workspace", "--features", FEATURES])?;
    bench::micro::run(&bench::micro::Args::check()).context("counting instructions")?;
    pass(&workspace, "openapi", "sh", &["tests/openapi/check.sh"])
}

/// Runs a program with its output in sight, and holds it to succeed.
fn pass(workspace: &Workspace, step: &str, program: &str, arguments: &[&str]) -> Result<()> {
    let line = format!("{program} {}", arguments.join(" "));
    report::note(step, &line);
    let begin = Instant::now();
    let status = Command::new(program)
        .args(arguments)
        .current_dir(workspace.root())
        .env("RUSTDOCFLAGS", "-Dwarnings")
        .status()
        .with_context(|| format!("`{line}` cannot be started"))?;
    ensure!(status.success(), "`{line}` failed ({status})");
    report::done(step, "passed", begin.elapsed());
    Ok(())
}
