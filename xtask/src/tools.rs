//! Tools that the tests need and that no cargo dependency brings.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::debian;
use crate::workspace::Workspace;

/// Where Debian and its kin put the library that moves a program's clock.
const FAKETIME_DIRECTORIES: [&str; 3] =
    ["/usr/lib/x86_64-linux-gnu/faketime", "/usr/lib/aarch64-linux-gnu/faketime", "/usr/lib/faketime"];

/// A registry, from the package of the same name. The tests look for it where `cargo xtask test` puts it.
const REGISTRY: &str = "docker-registry";

/// Brings what is missing.
///
/// # Errors
///
/// Where something is missing and cannot be installed; says what to install by hand.
pub(crate) fn bring(workspace: &Workspace) -> Result<()> {
    if !FAKETIME_DIRECTORIES.iter().any(|path| Path::new(path).is_dir()) {
        debian::install(&["faketime".to_owned()]).context("bringing the library that moves the clock")?;
    }
    if !has("valgrind") {
        debian::install(&["valgrind".to_owned(), "libc6-dbg".to_owned()])
            .context("bringing what counts instructions")?;
    }
    let tools = workspace.tools();
    if !has(REGISTRY) && !tools.join("usr/bin").join(REGISTRY).is_file() {
        // Installed, it would be started as a service of this machine.
        debian::unpack(REGISTRY, &tools).context("bringing a registry of components")?;
    }
    Ok(())
}

/// Whether a program can be started.
pub(crate) fn has(program: &str) -> bool {
    let quiet = || Stdio::null();
    Command::new(program).arg("--version").stdout(quiet()).stderr(quiet()).status().is_ok()
}
