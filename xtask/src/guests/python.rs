//! Guests in Python: `componentize-py`, in the version that a guest's requirements pin.
//!
//! It is installed into a virtual environment below `target/`, so that neither a checkout nor the
//! system's Python changes.

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

/// The longest that pip may take: it brings some tens of megabytes.
const INSTALL_BOUND: Duration = Duration::from_secs(20 * 60);
/// The longest that a component may take.
const BUILD_BOUND: Duration = Duration::from_secs(10 * 60);

/// Builds those of `guests` whose sources are not those of their components.
///
/// # Errors
///
/// Where there is no Python, or installing or building fails.
pub(super) fn build(workspace: &Workspace, guests: &[&Guest]) -> Result<Built> {
    let mut changed = 0;
    for guest in guests {
        if let Source::Python { module, world } = guest.source {
            changed += usize::from(build_one(workspace, guest, module, world)?);
        }
    }
    Ok(Built { changed, total: guests.len() })
}

fn build_one(workspace: &Workspace, guest: &Guest, module: &str, world: &str) -> Result<bool> {
    let sources = workspace.guest().join(&guest.name);
    let work = workspace.build(&guest.name);
    let component = workspace.components().join(guest.file());
    fs::create_dir_all(&work).with_context(|| format!("making {}", work.display()))?;
    let source = format!("{module}.py");
    let inputs = [sources.join(&source), sources.join("requirements.txt"), workspace.wit()];
    let built = Stamp::read(work.join("built.stamp"), &inputs)?;
    if built.is_current(&component) {
        return Ok(false);
    }
    let tool = install(&sources, &work)?;
    report::note("Python", &format!("building {}", guest.file()));
    let fresh = work.join(guest.file());
    // The interpreter leaves its cache beside the module, so it is given a copy to run.
    let app = work.join("app");
    fs::create_dir_all(&app).with_context(|| format!("making {}", app.display()))?;
    place::place(&sources.join(&source), &app.join(&source))?;
    let mut componentize = Command::new(tool);
    componentize
        .args(["--quiet", "--world", world, "--wit-path"])
        .arg(workspace.wit())
        .args(["componentize", module, "--output"])
        .arg(&fresh)
        .current_dir(&app)
        // Whatever environment this runs in, the guest gets nothing from it.
        .env_remove("VIRTUAL_ENV")
        .env_remove("PYTHONPATH");
    built.forget()?;
    run(&mut componentize, BUILD_BOUND)?;
    let changed = place::place(&fresh, &component)?;
    built.record()?;
    Ok(changed)
}

/// Installs what `sources` requires into `work`, unless it is there, and returns the path of the tool.
fn install(sources: &Path, work: &Path) -> Result<PathBuf> {
    let requirements = sources.join("requirements.txt");
    let environment = work.join("venv");
    let tool = environment.join("bin/componentize-py");
    let installed = Stamp::read(work.join("installed.stamp"), std::slice::from_ref(&requirements))?;
    if installed.is_current(&tool) {
        return Ok(tool);
    }
    report::note("Python", "installing componentize-py");
    installed.forget()?;
    make_environment(&environment)?;
    let mut pip = Command::new(environment.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]);
    run(pip.arg(&requirements), INSTALL_BOUND)?;
    ensure!(tool.exists(), "pip has installed no {}", tool.display());
    installed.record()?;
    Ok(tool)
}

/// Makes a fresh virtual environment with pip in it, with Debian's packages where Python alone cannot.
fn make_environment(environment: &Path) -> Result<()> {
    let make = || {
        let mut venv = Command::new("python3");
        venv.args(["-m", "venv", "--clear"]).arg(environment);
        run(&mut venv, INSTALL_BOUND)
    };
    if make().is_ok() {
        return Ok(());
    }
    debian::install(&["python3".to_owned(), "python3-venv".to_owned()])
        .context("Python 3.10 or newer, with venv and pip, is missing")?;
    make()?;
    Ok(())
}
