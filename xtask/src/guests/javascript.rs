//! Guests in JavaScript: `componentize-js`, from the versions that a guest's lock file pins.
//!
//! It is installed below `target/`, so that a checkout stays as clean as it was.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::catalog::{Guest, Source};
use super::stamp::Stamp;
use super::{Built, place};
use crate::command::run;
use crate::debian;
use crate::report;
use crate::workspace::Workspace;

/// The longest that npm may take: it brings some hundreds of megabytes.
const INSTALL_BOUND: Duration = Duration::from_secs(20 * 60);
/// The longest that a component may take.
const BUILD_BOUND: Duration = Duration::from_secs(10 * 60);
/// The longest that a program may take to tell its version.
const LOOK_BOUND: Duration = Duration::from_secs(30);

/// Builds those of `guests` whose sources are not those of their components.
///
/// # Errors
///
/// Where there is no Node.js, or installing or building fails.
pub(super) fn build(workspace: &Workspace, guests: &[&Guest]) -> Result<Built> {
    let mut changed = 0;
    for guest in guests {
        if let Source::JavaScript { module } = guest.source {
            changed += usize::from(build_one(workspace, guest, module)?);
        }
    }
    Ok(Built { changed, total: guests.len() })
}

fn build_one(workspace: &Workspace, guest: &Guest, module: &str) -> Result<bool> {
    let sources = workspace.guest().join(&guest.name);
    let work = workspace.build(&guest.name);
    let component = workspace.components().join(guest.file());
    fs::create_dir_all(&work).with_context(|| format!("making {}", work.display()))?;
    let built = Stamp::read(work.join("built.stamp"), std::slice::from_ref(&sources))?;
    if built.is_current(&component) {
        return Ok(false);
    }
    let tool = install(&sources, &work)?;
    report::note("JavaScript", &format!("building {}", guest.file()));
    let fresh = work.join(guest.file());
    let mut componentize = Command::new("node");
    componentize
        .arg(tool)
        .args(["--wit", "wit", "--world-name", "handler", "--out"])
        .args([fresh.as_os_str(), module.as_ref()])
        .current_dir(&sources);
    built.forget()?;
    run(&mut componentize, BUILD_BOUND)?;
    let changed = place::place(&fresh, &component)?;
    built.record()?;
    Ok(changed)
}

/// Installs what the lock file in `sources` pins into `work`, unless it is there, and returns the path
/// of the tool.
fn install(sources: &Path, work: &Path) -> Result<PathBuf> {
    let lists = ["package.json", "package-lock.json"];
    let tool = work.join("node_modules/@bytecodealliance/componentize-js/src/cli.js");
    let installed = Stamp::read(work.join("installed.stamp"), &lists.map(|list| sources.join(list)))?;
    if installed.is_current(&tool) {
        return Ok(tool);
    }
    bring_node()?;
    report::note("JavaScript", "installing componentize-js");
    installed.forget()?;
    for list in lists {
        place::place(&sources.join(list), &work.join(list))?;
    }
    // Nothing that is installed needs to run a script of its own, so nothing may.
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(work);
    run(&mut npm, INSTALL_BOUND)?;
    ensure!(tool.exists(), "npm has installed no {}", tool.display());
    installed.record()?;
    Ok(tool)
}

/// Makes sure that there are `node` and `npm`.
fn bring_node() -> Result<()> {
    let there = |program| run(Command::new(program).arg("--version"), LOOK_BOUND).is_ok();
    if there("node") && there("npm") {
        return Ok(());
    }
    debian::install(&["nodejs".to_owned(), "npm".to_owned()])
        .context("Node.js 20 or newer, with npm, is missing")
}
