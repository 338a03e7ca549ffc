//! Packages of a Debian system: what there is when something is missing and cannot be had otherwise.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::command::run;
use crate::report;

/// The longest that a mirror may take for everything.
const INSTALL_BOUND: Duration = Duration::from_secs(20 * 60);
/// The longest that a question to the local system may take.
const LOOK_BOUND: Duration = Duration::from_secs(30);

/// Installs `packages` with what they need, and nothing that they only recommend.
///
/// # Errors
///
/// Where this is no Debian, where there is neither root nor a sudo that asks no password, or where
/// apt-get fails. All say what to install by hand.
pub(crate) fn install(packages: &[String]) -> Result<()> {
    let list = packages.join(" ");
    let by_hand = || format!("install these by hand: {list}");
    report::note("apt-get", &format!("installing {list}"));
    let sudo = !is_root();
    apt_get(sudo, &["update", "--quiet"]).with_context(by_hand)?;
    let mut install = vec!["install", "--quiet", "--yes", "--no-install-recommends"];
    install.extend(packages.iter().map(String::as_str));
    apt_get(sudo, &install).with_context(by_hand)
}

/// Unpacks a package into `directory` without installing it: what it would start, users it would make and
/// files it would put elsewhere stay away.
///
/// # Errors
///
/// Where this is no Debian, or the package cannot be had.
pub(crate) fn unpack(package: &str, directory: &Path) -> Result<()> {
    report::note("apt-get", &format!("fetching {package} into {}", directory.display()));
    fs::create_dir_all(directory).with_context(|| format!("making {}", directory.display()))?;
    let download = || {
        let mut download = Command::new("apt-get");
        run(download.args(["--quiet", "download", package]).current_dir(directory), INSTALL_BOUND)
    };
    if download().is_err() {
        // The lists are missing or old.
        apt_get(!is_root(), &["update", "--quiet"])?;
        download()?;
    }
    let begins = format!("{package}_");
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&begins)) {
            run(Command::new("dpkg-deb").arg("--extract").arg(&path).arg(directory), INSTALL_BOUND)?;
            fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
        }
    }
    Ok(())
}

/// The newest of the linkers that Debian packages by LLVM version, `lld-22` or so.
///
/// # Errors
///
/// Where the package lists name none.
pub(crate) fn newest_lld() -> Result<String> {
    let mut search = Command::new("apt-cache");
    search.args(["search", "--names-only", "^lld-[0-9]+$"]);
    let found = run(&mut search, LOOK_BOUND)?;
    let newest = newest_lld_of(&found);
    ensure!(newest.is_some(), "no package lld-NUMBER is known; `apt-get update` may bring it");
    Ok(format!("lld-{}", newest.unwrap_or_default()))
}

fn newest_lld_of(found: &str) -> Option<u32> {
    let names = found.lines().filter_map(|line| line.split_whitespace().next());
    names.filter_map(|name| name.strip_prefix("lld-")?.parse().ok()).max()
}

fn apt_get(sudo: bool, arguments: &[&str]) -> Result<()> {
    let mut command = match sudo {
        false => Command::new("apt-get"),
        true => {
            let mut command = Command::new("sudo");
            command.args(["--non-interactive", "apt-get"]);
            command
        }
    };
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
    run(&mut command, INSTALL_BOUND)?;
    Ok(())
}

fn is_root() -> bool {
    run(Command::new("id").arg("-u"), LOOK_BOUND).is_ok_and(|id| id.trim() == "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newest_lld_is_the_highest_number() {
        let found = "lld-9 - LLVM-based linker\nlld-19 - LLVM-based linker\nlld-14 - x\nlld - y\n";
        assert_eq!(newest_lld_of(found), Some(19));
        assert_eq!(newest_lld_of(""), None);
    }
}
