//! Guests in Rust: one cargo for all of them, which knows by itself what has changed.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use super::catalog::{Guest, Source};
use super::toolchain::{self, Choice, Toolchain};
use super::{Built, place};
use crate::command::run;
use crate::workspace::Workspace;

/// The longest that compiling everything may take, the standard library included, on a slow machine.
const BUILD_BOUND: Duration = Duration::from_secs(45 * 60);
/// The longest that downloading a few small crates may take.
const FETCH_BOUND: Duration = Duration::from_secs(10 * 60);

/// Builds `guests` and places their components.
///
/// # Errors
///
/// Where there is no compiler for the target, or it fails.
pub(super) fn build(workspace: &Workspace, guests: &[&Guest], choice: Choice) -> Result<Built> {
    let toolchain = toolchain::find_or_bring(choice)?;
    let target = workspace.build("rust");
    // Before the flags, which depend on where the crates are.
    run(toolchain.cargo().args(["fetch", "--locked"]).current_dir(workspace.guest()), FETCH_BOUND)?;

    let mut cargo = toolchain.build();
    cargo
        .current_dir(workspace.guest())
        .env("CARGO_TARGET_DIR", &target)
        .env("CARGO_ENCODED_RUSTFLAGS", flags(workspace, &toolchain)?.join("\x1f"))
        .arg("--lib");
    for guest in guests {
        match behaviours_of(guest) {
            Some(package) => cargo.args(["--package", package, "--example", &guest.name]),
            None => cargo.args(["--package", &guest.name]),
        };
    }
    run(&mut cargo, BUILD_BOUND).with_context(|| format!("compiling with {}", toolchain.name))?;

    let artifacts = target.join("wasm32-wasip2/release");
    let mut changed = 0;
    for guest in guests {
        let to = workspace.components().join(guest.file());
        changed += usize::from(place::place(&artifacts.join(artifact(guest)), &to)?);
    }
    Ok(Built { changed, total: guests.len() })
}

/// Where cargo leaves the component, below its directory for the target and profile.
fn artifact(guest: &Guest) -> PathBuf {
    // A library's file is named after the crate, and a crate's name has no dashes.
    let file = format!("{}.wasm", guest.name.replace('-', "_"));
    match behaviours_of(guest) {
        Some(_) => Path::new("examples").join(file),
        None => PathBuf::from(file),
    }
}

/// The package of behaviours that `guest` is in, if it is one.
fn behaviours_of(guest: &Guest) -> Option<&'static str> {
    match guest.source {
        Source::RustBehaviour { package } => Some(package),
        Source::RustPackage | Source::JavaScript { .. } | Source::Python { .. } => None,
    }
}

/// The flags of the toolchain, and those that keep this machine's paths out of the components.
fn flags(workspace: &Workspace, toolchain: &Toolchain) -> Result<Vec<String>> {
    let mut places = vec![(workspace.guest(), "guest"), (toolchain.library_sources(), "rust")];
    // Debian's sources are behind a link, and the compiler may name either.
    places.extend(fs::canonicalize(toolchain.library_sources()).ok().map(|sources| (sources, "rust")));
    places.extend(registries()?.into_iter().map(|registry| (registry, "registry")));
    let remaps =
        places.into_iter().map(|(place, name)| format!("--remap-path-prefix={}={name}", place.display()));
    Ok(toolchain.flags().iter().cloned().chain(remaps).collect())
}

/// The directories with the sources of crates, one for each registry: their names tell which it is.
fn registries() -> Result<Vec<PathBuf>> {
    let home = match env::var_os("CARGO_HOME") {
        Some(home) => PathBuf::from(home),
        None => env::home_dir().context("there is no home directory; set CARGO_HOME")?.join(".cargo"),
    };
    let sources = home.join("registry/src");
    let entries = fs::read_dir(&sources).with_context(|| format!("reading {}", sources.display()))?;
    let mut registries: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    registries.sort();
    Ok(registries)
}
