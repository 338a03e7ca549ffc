//! Where things are: the checkout, and the directory that everything built goes to.

use std::path::{Path, PathBuf};
use std::{env, io};

/// The places that tasks read from and write to. All are absolute.
pub(crate) struct Workspace {
    root: PathBuf,
    target: PathBuf,
}

impl Workspace {
    /// Finds the checkout that this task was built from.
    ///
    /// # Errors
    ///
    /// Where the current directory, to which a relative `CARGO_TARGET_DIR` belongs, is gone.
    pub(crate) fn find() -> io::Result<Self> {
        // Cargo sets the variable for what it runs, so a checkout that was moved is found as well.
        let package = env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = package.parent().unwrap_or(&package).to_owned();
        let target = match env::var_os("CARGO_TARGET_DIR") {
            Some(target) => std::path::absolute(target)?,
            None => root.join("target"),
        };
        Ok(Self { root, target })
    }

    /// The top of the checkout.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The sources of the guests.
    pub(crate) fn guest(&self) -> PathBuf {
        self.root.join("guest")
    }

    /// The WIT of the world that guests are built against.
    pub(crate) fn wit(&self) -> PathBuf {
        self.root.join("wit")
    }

    /// Where the components go: `NAME.wasm` for every guest, never half-written.
    pub(crate) fn components(&self) -> PathBuf {
        self.target.join("guests")
    }

    /// Where programs go that only tests start, with the directories of a system below.
    pub(crate) fn tools(&self) -> PathBuf {
        self.target.join("tools")
    }

    /// Where the tools that build `language` are installed and work.
    pub(crate) fn build(&self, language: &str) -> PathBuf {
        self.target.join("guests-build").join(language)
    }
}
