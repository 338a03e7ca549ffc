//! Tools that the tests need and that no cargo dependency brings.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::debian;

/// Where Debian and its kin put the library that moves a program's clock.
const FAKETIME_DIRECTORIES: [&str; 3] =
    ["/usr/lib/x86_64-linux-gnu/faketime", "/usr/lib/aarch64-linux-gnu/faketime", "/usr/lib/faketime"];

/// Installs what is missing.
///
/// # Errors
///
/// Where something is missing and cannot be installed; says what to install by hand.
pub(crate) fn bring() -> Result<()> {
    if !FAKETIME_DIRECTORIES.iter().any(|path| Path::new(path).is_dir()) {
        debian::install(&["faketime".to_owned()]).context("bringing the library that moves the clock")?;
    }
    Ok(())
}

/// Whether a program can be started.
pub(crate) fn has(program: &str) -> bool {
    let quiet = || Stdio::null();
    Command::new(program).arg("--version").stdout(quiet()).stderr(quiet()).status().is_ok()
}
