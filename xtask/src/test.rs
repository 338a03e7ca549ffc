//! `cargo xtask test`: the one test command. Brings what is missing, builds the guests and runs every
//! check; ends at the first that fails.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::guests;
use crate::report;
use crate::tools;
use crate::workspace::Workspace;

/// The host's fail points, which the tests of its own faults set off.
const FEATURES: &str = "wasm-host/failpoints";

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
    tools::bring()?;
    guests::run(&guests::Args::all())?;
    if let Some(filter) = &args.filter {
        return check(&workspace, "test", &["test", "--workspace", "--features", FEATURES, filter]);
    }
    check(&workspace, "format", &["fmt", "--all", "--check"])?;
    check(&workspace, "format", &["fmt", "--manifest-path", "guest/Cargo.toml", "--all", "--check"])?;
    let clippy = ["clippy", "--workspace", "--all-targets", "--features", FEATURES, "--", "-Dwarnings"];
    check(&workspace, "clippy", &clippy)?;
    check(&workspace, "docs", &["doc", "--workspace", "--no-deps", "--features", FEATURES])?;
    if tools::has("cargo-deny") {
        check(&workspace, "deny", &["deny", "check", "bans", "licenses", "sources"])?;
    } else {
        report::note("deny", "skipped: cargo-deny is not installed");
    }
    check(&workspace, "test", &["test", "--workspace", "--features", FEATURES])
}

/// Runs cargo with its output in sight.
fn check(workspace: &Workspace, step: &str, arguments: &[&str]) -> Result<()> {
    let line = format!("cargo {}", arguments.join(" "));
    report::note(step, &line);
    let begin = Instant::now();
    let status = Command::new("cargo")
        .args(arguments)
        .current_dir(workspace.root())
        .env("RUSTDOCFLAGS", "-Dwarnings")
        .status()
        .with_context(|| format!("`{line}` cannot be started"))?;
    ensure!(status.success(), "`{line}` failed ({status})");
    report::done(step, "passed", begin.elapsed());
    Ok(())
}
