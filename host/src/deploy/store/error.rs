//! Why the store cannot do what it was asked for.

use std::io;
use std::path::{Path, PathBuf};

/// Why the store cannot do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk, or this user's part of it, is full.
    #[error("no space is left to write {}", .path.display())]
    NoSpace {
        /// What was to be written.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The new state is written and will probably last, but the disk did not say that it will.
    #[error("cannot wait until {} is on the disk", .path.display())]
    Unsynced {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The system failed at something else.
    #[error("cannot {what} {}", .path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file is not what it was.
    #[error("{} is damaged: {what}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// How.
        what: String,
    },
    /// Another host has the directory.
    #[error("another host uses {}: stop it, or choose another directory with --state", .path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// Others may write to the directory, and what is in it is run.
    #[error("{why}, and what is in {} is run: make it this user's own, with mode 0700", .path.display())]
    NotPrivate {
        /// The directory.
        path: PathBuf,
        /// Who may.
        why: String,
    },
}

impl StoreError {
    /// Whether what was to be read is damaged or gone, which no later try changes.
    pub(super) fn is_lasting(&self) -> bool {
        match self {
            Self::Damaged { .. } => true,
            Self::Io { source, .. } => source.kind() == io::ErrorKind::NotFound,
            Self::NoSpace { .. } | Self::Unsynced { .. } | Self::InUse { .. } | Self::NotPrivate { .. } => {
                false
            }
        }
    }
}

/// The error of doing `what` with `path`.
pub(super) fn at(what: &'static str, path: &Path) -> impl Fn(io::Error) -> StoreError {
    move |source| {
        let path = path.to_owned();
        // A limit on the size of files (RLIMIT_FSIZE) is a kind of full, too.
        let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded, io::ErrorKind::FileTooLarge];
        match full.contains(&source.kind()) {
            true => StoreError::NoSpace { path, source },
            false => StoreError::Io { what, path, source },
        }
    }
}
