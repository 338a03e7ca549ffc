//! Bringing the programs that are measured: wasm-host is built, its peers are installed into
//! `target/peers`, from where the next run has them.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};

use super::server::{Program, sources};
use crate::command::run;
use crate::report;
use crate::workspace::Workspace;

/// The longest that compiling a runtime may take.
const BUILD_BOUND: Duration = Duration::from_secs(90 * 60);
/// The longest that downloading some tens of megabytes may take.
const INSTALL_BOUND: Duration = Duration::from_secs(10 * 60);
/// The longest that a program may take to tell its version.
const LOOK_BOUND: Duration = Duration::from_secs(30);

/// The release of wasmtime that wasm-host is built on.
const WASMTIME_SERIES: &str = "48";
/// What `wasmtime serve` needs to be as fast as it can be, without other commands, languages and tools.
const WASMTIME_FEATURES: &str = "run,serve,cranelift,cache,pooling-allocator,parallel-compilation,\
                                 component-model-async,threads,gc,gc-drc,addr2line,demangle";

/// A program that is measured, whatever it is told to serve and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Software {
    WasmHost,
    Wasmtime,
    Workerd,
    /// With FastAPI beside it.
    Uvicorn,
    /// A server of our own that does nothing but HTTP.
    BareHyper,
}

/// Programs that were named on the command line.
pub(super) struct Given<'a> {
    /// A wasm-host to measure in place of this checkout's.
    pub(super) wasm_host: Option<&'a Path>,
    /// A wasmtime to measure against.
    pub(super) wasmtime: Option<&'a Path>,
}

/// Finds or brings a program.
///
/// # Errors
///
/// Where it cannot be had. What the error displays without its causes is for the results, and names
/// nothing of this machine.
pub(super) fn bring(software: Software, workspace: &Workspace, given: &Given<'_>) -> Result<Program> {
    match software {
        Software::WasmHost => wasm_host(workspace, given.wasm_host),
        Software::Wasmtime => wasmtime(workspace, given.wasmtime),
        Software::Workerd => workerd(workspace),
        Software::Uvicorn => uvicorn(workspace),
        Software::BareHyper => bare_hyper(workspace),
    }
}

fn wasm_host(workspace: &Workspace, given: Option<&Path>) -> Result<Program> {
    let path = match given {
        Some(path) => std::path::absolute(path).context("finding the build to measure")?,
        None => build(workspace, "wasm-host")?,
    };
    let version = first_line(&path, &["--version"]).context("wasm-host does not run")?;
    Ok(Program { path, version })
}

fn bare_hyper(workspace: &Workspace) -> Result<Program> {
    let path = build(workspace, "bare-hyper").context("it could not be built")?;
    Ok(Program { path, version: "bare hyper 1".to_owned() })
}

/// Builds a package of the checkout for release.
fn build(workspace: &Workspace, package: &str) -> Result<PathBuf> {
    report::note("cargo", &format!("building {package}"));
    let mut cargo = cargo();
    cargo.args(["build", "--release", "--package", package]).current_dir(workspace.root());
    run(&mut cargo, BUILD_BOUND).with_context(|| format!("building {package}"))?;
    Ok(workspace.components().with_file_name("release").join(package))
}

fn wasmtime(workspace: &Workspace, given: Option<&Path>) -> Result<Program> {
    if let Some(path) = given {
        let path = std::path::absolute(path).context("finding wasmtime")?;
        let version = first_line(&path, &["--version"]).context("wasmtime does not run")?;
        return Ok(Program { path, version });
    }
    let root = peers(workspace).join("wasmtime");
    let installed = root.join("bin/wasmtime");
    let is_right = |version: &String| version.starts_with(&format!("wasmtime {WASMTIME_SERIES}."));
    for path in [PathBuf::from("wasmtime"), installed.clone()] {
        if let Some(version) = first_line(&path, &["--version"]).ok().filter(is_right) {
            return Ok(Program { path, version });
        }
    }
    report::note("cargo", "installing wasmtime-cli: this may take half an hour; `--wasmtime PATH` saves it");
    let mut install = cargo();
    install
        .args(["install", "wasmtime-cli", "--locked", "--version", &format!("^{WASMTIME_SERIES}"), "--root"])
        .arg(&root)
        .args(["--no-default-features", "--features", WASMTIME_FEATURES])
        .env("CARGO_TARGET_DIR", peers(workspace).join("wasmtime-build"));
    run(&mut install, BUILD_BOUND).context("cargo could not install it")?;
    let version = first_line(&installed, &["--version"]).context("it was installed and does not run")?;
    Ok(Program { path: installed, version })
}

fn workerd(workspace: &Workspace) -> Result<Program> {
    let sources = sources(workspace, "workerd");
    let place = peers(workspace).join("workerd");
    let installed = place.join("installed.json");
    let package = sources.join("package.json");
    if !same(&package, &installed) {
        report::note("npm", "installing workerd");
        fs::create_dir_all(&place).context("there is no place for it")?;
        fs::copy(&package, place.join("package.json")).context("there is no place for it")?;
        // The program comes in a package of its own for every system, and needs no script to run. No
        // lock file: a registry that lacks some systems makes one that is wrong elsewhere, and workerd
        // itself names the exact version of each.
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund"]);
        run(npm.arg("--loglevel=error").current_dir(&place), INSTALL_BOUND)
            .context("npm could not install it")?;
        fs::copy(&package, &installed).context("there is no place for it")?;
    }
    let packages = place.join("node_modules/@cloudflare");
    let systems = fs::read_dir(&packages).context("it does not exist for this system")?;
    let mut programs = systems.filter_map(|system| Some(system.ok()?.path().join("bin/workerd")));
    let path = programs.next().ok_or_else(|| anyhow!("it does not exist for this system"))?;
    let version = first_line(&path, &["--version"]).context("it does not run on this system")?;
    Ok(Program { path, version })
}

fn uvicorn(workspace: &Workspace) -> Result<Program> {
    let requirements = sources(workspace, "uvicorn").join("requirements.txt");
    let place = peers(workspace).join("uvicorn");
    let path = place.join("bin/python");
    let installed = place.join("requirements.txt");
    if !same(&requirements, &installed) {
        report::note("pip", "installing uvicorn");
        let mut venv = Command::new("python3");
        venv.args(["-m", "venv", "--clear"]).arg(&place);
        run(&mut venv, INSTALL_BOUND).context("there is no Python 3 with venv")?;
        let mut pip = Command::new(&path);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]);
        run(pip.arg(&requirements), INSTALL_BOUND).context("pip could not install it")?;
        fs::copy(&requirements, &installed).context("there is no place for it")?;
    }
    let told = first_line(&path, &["-m", "uvicorn", "--version"]).context("it does not run")?;
    // Without "Running …" and "… on Linux".
    let told = told.strip_prefix("Running ").unwrap_or(&told);
    let version = told.rsplit_once(" on ").map_or(told, |(version, _)| version).to_owned();
    Ok(Program { path, version })
}

fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

fn peers(workspace: &Workspace) -> PathBuf {
    workspace.components().with_file_name("peers")
}

/// Whether both are there, and the same.
fn same(left: &Path, right: &Path) -> bool {
    fs::read(left).is_ok_and(|left| fs::read(right).is_ok_and(|right| left == right))
}

fn first_line(program: &Path, arguments: &[&str]) -> Result<String> {
    let text = run(Command::new(program).args(arguments), LOOK_BOUND)?;
    let line = text.lines().next().unwrap_or_default().trim().to_owned();
    ensure!(!line.is_empty(), "{} told nothing", program.display());
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_program_that_does_not_run_is_told_without_its_path() {
        let workspace = Workspace::find().expect("workspace");
        let nowhere = Path::new("/nowhere/wasmtime");
        let given = Given { wasm_host: None, wasmtime: Some(nowhere) };
        let error = bring(Software::Wasmtime, &workspace, &given).expect_err("there is none");
        assert_eq!(error.to_string(), "wasmtime does not run");
        assert!(format!("{error:#}").contains("/nowhere/wasmtime"));
    }
}
