//! `cargo xtask guests`: from the sources in `guest/` to components in `target/guests`.
//!
//! What a guest is built with is decided here; how, in a module for every language. A second run with
//! nothing changed does nothing and takes a moment.

mod catalog;
mod javascript;
mod place;
mod python;
mod rust;
mod stamp;
mod toolchain;

use std::fs;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use crate::report;
use crate::workspace::Workspace;
use catalog::{Catalog, Language};

/// The most that the built-in handler may weigh: it is inside of every host.
const WELCOME_BYTES_MAX: u64 = 200 * 1024;

/// Which guests to build, and with what.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Guests to build, as `guest/README.md` names them [default: all]
    names: Vec<String>,
    /// Where the compiler for wasm32-wasip2 comes from
    #[arg(long, value_enum, default_value_t)]
    toolchain: toolchain::Choice,
    /// Make the welcome handler that was built the one that the host carries
    #[arg(long)]
    update_welcome: bool,
}

impl Args {
    /// All guests, with whatever compiler there is.
    pub(crate) fn all() -> Self {
        Self { names: Vec::new(), toolchain: toolchain::Choice::Auto, update_welcome: false }
    }
}

/// Builds the guests, as far as they are not built already.
///
/// # Errors
///
/// Where a guest cannot be built. The others are built all the same.
pub(crate) fn run(args: &Args) -> Result<()> {
    let workspace = Workspace::find().context("finding the checkout")?;
    let catalog = Catalog::read(&workspace)?;
    let guests = catalog.select(&args.names)?;
    let components = workspace.components();
    fs::create_dir_all(&components).with_context(|| format!("making {}", components.display()))?;

    let mut failed = false;
    for language in Language::ALL {
        let guests: Vec<_> = guests.iter().filter(|guest| guest.language() == language).copied().collect();
        if guests.is_empty() {
            continue;
        }
        let start = Instant::now();
        let built = match language {
            Language::Rust => rust::build(&workspace, &guests, args.toolchain),
            Language::JavaScript => javascript::build(&workspace, &guests),
            Language::Python => python::build(&workspace, &guests),
        };
        match built.with_context(|| format!("building the guests in {language}")) {
            Ok(Built { changed, total }) => {
                let what = format!("{total} of {total} components up to date, {changed} of them new");
                report::done(language.name(), &what, start.elapsed());
            }
            Err(error) => {
                report::failure(&error);
                failed = true;
            }
        }
    }
    ensure!(!failed, "not all guests are built; what could be is in {}", components.display());
    if args.update_welcome {
        update_welcome(&workspace)?;
    }
    Ok(())
}

/// What a language's builder has done.
struct Built {
    /// Components that are not what they were before.
    changed: usize,
    /// All that were asked for.
    total: usize,
}

/// Copies the welcome handler into the sources, from where the host embeds it.
fn update_welcome(workspace: &Workspace) -> Result<()> {
    let built = workspace.components().join("welcome.wasm");
    let bytes = fs::read(&built).with_context(|| format!("reading {}", built.display()))?;
    ensure!(
        bytes.len() as u64 <= WELCOME_BYTES_MAX,
        "the welcome handler has {} bytes, more than {WELCOME_BYTES_MAX}: find what made it grow",
        bytes.len()
    );
    let root = workspace.root().display().to_string();
    if bytes.windows(root.len()).any(|window| window == root.as_bytes()) {
        bail!(
            "the welcome handler names {root}, a place on this machine: see `rust.rs` for what remaps paths"
        );
    }
    let committed = workspace.guest().join("welcome/welcome.wasm");
    let changed = place::place(&built, &committed)?;
    let what = match changed {
        true => "guest/welcome/welcome.wasm is new: commit it",
        false => "guest/welcome/welcome.wasm is what it was",
    };
    report::note("welcome", what);
    Ok(())
}
