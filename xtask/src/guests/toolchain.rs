//! A compiler for wasm32-wasip2: the one that is here, or the first that can be brought.
//!
//! rustup's target is the normal way. Where it cannot be downloaded, Debian's `rustc-web` does the same
//! job: it builds the standard library from its sources, against Debian's C library for WASI.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};

use crate::command::run;
use crate::debian;
use crate::report;

const TARGET: &str = "wasm32-wasip2";
/// How long to wait for rustup's download: it is small, and there is another way.
const RUSTUP_BOUND: Duration = Duration::from_secs(90);
/// The longest that a compiler may take to say where it is.
const LOOK_BOUND: Duration = Duration::from_secs(30);
/// Where Debian's `wasi-libc` is.
const DEBIAN_LIBC: &str = "/usr/lib/wasm32-wasi";

/// Where the compiler is to come from.
#[derive(Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Choice {
    /// What is here already; else rustup's; else Debian's
    #[default]
    Auto,
    /// rustup's target wasm32-wasip2
    Rustup,
    /// Debian's packages, which build the standard library from its sources
    Debian,
}

/// A cargo that builds for wasm32-wasip2.
pub(crate) struct Toolchain {
    pub(crate) name: &'static str,
    cargo: PathBuf,
    /// The root of the compiler's own files.
    sysroot: PathBuf,
    environment: Vec<(&'static str, OsString)>,
    arguments: Vec<String>,
    flags: Vec<String>,
}

impl Toolchain {
    /// A `cargo build --release` for the target, still without a directory and packages.
    pub(crate) fn build(&self) -> Command {
        let mut command = self.cargo();
        command.args(["build", "--release", "--locked", "--target", TARGET]).args(&self.arguments);
        command
    }

    /// A bare call of this toolchain's cargo.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = Command::new(&self.cargo);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// The compiler flags that the target needs here.
    pub(crate) fn flags(&self) -> &[String] {
        &self.flags
    }

    /// Where the sources of the standard library would be.
    pub(crate) fn library_sources(&self) -> PathBuf {
        library_sources(&self.sysroot)
    }
}

/// Finds a toolchain, or brings one.
///
/// # Errors
///
/// Where neither rustup nor Debian can help. Says what each of them had to say, and what to do.
pub(crate) fn find_or_bring(choice: Choice) -> Result<Toolchain> {
    // What is here comes before any download: where rustup cannot download, it would be tried, and
    // waited for, at every run.
    let found = match choice {
        Choice::Auto => find_rustup().or_else(|_| find_debian()),
        Choice::Rustup => find_rustup(),
        Choice::Debian => find_debian(),
    };
    if found.is_ok() {
        return found;
    }
    match choice {
        Choice::Rustup => bring_rustup(),
        Choice::Debian => bring_debian(),
        Choice::Auto => bring_rustup().or_else(|of_rustup| {
            report::note("rustup", "its target could not be had; trying Debian's packages");
            bring_debian().map_err(|of_debian| {
                anyhow!(
                    "there is no compiler for {TARGET} here.\n\nrustup: {of_rustup:#}\n\nDebian: {of_debian:#}\n\n\
                     To fix it, run `rustup target add {TARGET}` where there is a network."
                )
            })
        }),
    }
}

fn bring_rustup() -> Result<Toolchain> {
    report::note("rustup", &format!("adding the target {TARGET}"));
    run(Command::new("rustup").args(["target", "add", TARGET]), RUSTUP_BOUND)?;
    find_rustup()
}

fn bring_debian() -> Result<Toolchain> {
    let mut packages = ["rustc-web", "cargo-web", "rust-web-src", "wasi-libc"].map(str::to_owned).to_vec();
    packages.push(debian::newest_lld()?);
    debian::install(&packages)?;
    find_debian()
}

fn find_rustup() -> Result<Toolchain> {
    let sysroot = sysroot(Path::new("rustc"))?;
    let library = sysroot.join("lib/rustlib").join(TARGET).join("lib");
    require(&library, "the target of rustup's toolchain")?;
    Ok(Toolchain {
        name: "rustup's target",
        cargo: env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from),
        sysroot,
        environment: Vec::new(),
        arguments: Vec::new(),
        flags: Vec::new(),
    })
}

fn find_debian() -> Result<Toolchain> {
    let rustc = Path::new("/usr/bin/rustc");
    let cargo = Path::new("/usr/bin/cargo");
    require(rustc, "package rustc-web")?;
    require(cargo, "package cargo-web")?;
    require(&Path::new(DEBIAN_LIBC).join("libc.a"), "package wasi-libc")?;
    let sysroot = sysroot(rustc)?;
    require(&library_sources(&sysroot).join("library"), "package rust-web-src")?;

    // The linker that makes components of modules is in rustup's toolchains, also in those without the
    // target; the linker that makes the modules is Debian's.
    let mut path = vec![component_linker()?, module_linker()?];
    path.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    let path = env::join_paths(path).context("the variable PATH has an entry that cannot be in it")?;
    Ok(Toolchain {
        name: "Debian's packages",
        cargo: cargo.to_owned(),
        sysroot,
        environment: vec![
            ("PATH", path),
            ("RUSTC", rustc.into()),
            ("RUSTDOC", "/usr/bin/rustdoc".into()),
            // Building the standard library is an unstable option, and this a stable compiler.
            ("RUSTC_BOOTSTRAP", "1".into()),
        ],
        arguments: vec!["-Zbuild-std=std,panic_abort".to_owned()],
        flags: vec![format!("-Lnative={DEBIAN_LIBC}")],
    })
}

/// The directory of rustup's `wasm-component-ld`.
fn component_linker() -> Result<PathBuf> {
    let programs = sysroot(Path::new("rustc"))?.join("lib/rustlib");
    let hosts = fs::read_dir(&programs).with_context(|| format!("reading {}", programs.display()))?;
    let mut directories = hosts.filter_map(|host| Some(host.ok()?.path().join("bin")));
    directories
        .find(|directory| directory.join("wasm-component-ld").exists())
        .context("rustup's toolchain has no wasm-component-ld: use Rust 1.95 or newer")
}

/// The directory of the newest `wasm-ld` that Debian has here.
fn module_linker() -> Result<PathBuf> {
    let library = fs::read_dir("/usr/lib").context("reading /usr/lib")?;
    let versions = library.filter_map(|entry| {
        let name = entry.ok()?.file_name().into_string().ok()?;
        name.strip_prefix("llvm-")?.parse::<u32>().ok()
    });
    let directories =
        versions.map(|version| (version, PathBuf::from(format!("/usr/lib/llvm-{version}/bin"))));
    let newest = directories.filter(|(_, directory)| directory.join("wasm-ld").exists()).max();
    newest.map(|(_, directory)| directory).context("a package lld-NUMBER is missing")
}

fn sysroot(rustc: &Path) -> Result<PathBuf> {
    let printed = run(Command::new(rustc).args(["--print", "sysroot"]), LOOK_BOUND)?;
    Ok(PathBuf::from(printed.trim()))
}

fn library_sources(sysroot: &Path) -> PathBuf {
    sysroot.join("lib/rustlib/src/rust")
}

fn require(path: &Path, what: &str) -> Result<()> {
    let there = path.try_exists().with_context(|| format!("looking for {}", path.display()))?;
    there.then_some(()).with_context(|| format!("{what} is not installed: there is no {}", path.display()))
}
