//! The store: components and versions as files named by what is in them, and the manifest that says
//! which of them answer. It is left in the old or the new state by whatever ends the process, and by a
//! loss of power: a file is written under another name, synced, renamed, and its directory synced,
//! and the manifest names nothing that was not there before it.

mod disk;
mod error;
mod manifest;
#[cfg(test)]
mod simulation;
mod staged;

use super::version::{Version, VersionId};
use crate::digest::Digest;
use disk::{Disk, RealDisk};
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

pub use error::StoreError;
pub use manifest::Manifest;
pub use staged::Staged;
use staged::{Pinned, Pins};

const MANIFEST: &str = "manifest.json";
const COMPONENTS: &str = "components";
const VERSIONS: &str = "versions";
const LOCK: &str = "lock";
/// What the names of files begin with that are not whole yet.
const TEMPORARY: &str = ".new-";

/// The largest component that is kept; requests are bounded by a setting below it.
pub const COMPONENT_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// The largest version: its settings came in a request of bounded size.
const VERSION_BYTES_MAX: u64 = 1024 * 1024;
/// The largest manifest: some hundred bytes for each version that is kept.
const MANIFEST_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A directory of one host's deployments.
pub struct Store {
    directory: PathBuf,
    disk: Arc<dyn Disk>,
    pins: Arc<Pins>,
    temporary: AtomicU64,
    /// Held for as long as the host has the store.
    _lock: Option<File>,
}

/// What was found in a directory.
pub struct Opened {
    /// The store.
    pub store: Store,
    /// What is deployed.
    pub manifest: Manifest,
    /// Files that were removed: left by an end in the middle of a change, or by versions that nobody needs.
    pub removed: usize,
}

impl Store {
    /// Opens the store in `directory`, which is made if it is not there, and clears it of leftovers.
    ///
    /// # Errors
    /// If another host has it, if others may write to it, or if it cannot be read.
    pub fn open(directory: &Path) -> Result<Opened, StoreError> {
        RealDisk.make_directory(directory).map_err(error::at("make the directory", directory))?;
        check_private(directory)?;
        let lock = lock(directory)?;
        Self::open_on(Arc::new(RealDisk), directory, Some(lock))
    }

    fn open_on(disk: Arc<dyn Disk>, directory: &Path, lock: Option<File>) -> Result<Opened, StoreError> {
        let directory = directory.to_owned();
        let (pins, temporary) = (Arc::default(), AtomicU64::new(0));
        let store = Self { directory, disk, pins, temporary, _lock: lock };
        for part in [COMPONENTS, VERSIONS] {
            let path = store.directory.join(part);
            store.disk.make_directory(&path).map_err(error::at("make the directory", &path))?;
        }
        store.sync(&store.directory)?;
        let manifest = store.read_manifest()?;
        // What cannot be looked at now is cleared away another time, and told of by whoever needs it.
        let removed = store.collect(&manifest).unwrap_or_default();
        Ok(Opened { store, manifest, removed })
    }

    /// Where the store is.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Keeps a component, and makes it a version with what `version` says of it. Both are on the disk
    /// when this returns, and stay there at least as long as the answer is held.
    ///
    /// # Errors
    /// If the disk is full or fails; nothing that counts has changed then.
    pub fn stage(&self, component: &[u8], version: Version) -> Result<Staged, StoreError> {
        let text = version.text();
        let staged = self.pins.pin(version);
        self.keep(COMPONENTS, &component_name(&staged.version.component), component)?;
        self.keep(VERSIONS, &version_name(&staged.id), text.as_bytes())?;
        Ok(staged)
    }

    /// Holds on to a version that is there.
    ///
    /// # Errors
    /// If it is not there, or is damaged.
    pub fn hold(&self, id: VersionId) -> Result<Staged, StoreError> {
        // First the pin, so that nobody clears it away meanwhile.
        let pin = self.pins.pin_id(id);
        let version = self.version(id)?;
        let staged = self.pins.pin(version);
        drop(pin);
        Ok(staged)
    }

    /// Makes this manifest the one that counts. Whatever happens, the old one or this one does.
    ///
    /// # Errors
    /// If the disk is full or fails. The old one counts then, unless it was the very last step that
    /// failed: see [`StoreError::Unsynced`].
    pub fn commit(&self, manifest: &Manifest) -> Result<(), StoreError> {
        let target = self.directory.join(MANIFEST);
        let sealed = manifest.seal();
        // What could not be read again is not written.
        if sealed.len() as u64 > MANIFEST_BYTES_MAX {
            return Err(error::at("write", &target)(ErrorKind::FileTooLarge.into()));
        }
        self.replace(&self.directory, &target, &sealed)
    }

    /// The bytes of a component.
    ///
    /// # Errors
    /// If they are not there, or are others than they were.
    pub fn component(&self, digest: Digest) -> Result<Vec<u8>, StoreError> {
        let path = self.directory.join(COMPONENTS).join(component_name(&digest));
        let bytes = self.read(&path, COMPONENT_BYTES_MAX)?;
        match Digest::of(&bytes) == digest {
            true => Ok(bytes),
            false => Err(StoreError::Damaged { path, what: "its digest is another".to_owned() }),
        }
    }

    /// A version.
    ///
    /// # Errors
    /// If it is not there, or is another than it was.
    pub fn version(&self, id: VersionId) -> Result<Version, StoreError> {
        let path = self.directory.join(VERSIONS).join(version_name(&id));
        let bytes = self.read(&path, VERSION_BYTES_MAX)?;
        if Digest::of(&bytes) != id.0 {
            return Err(StoreError::Damaged { path, what: "its digest is another".to_owned() });
        }
        serde_json::from_slice(&bytes).map_err(|error| StoreError::Damaged { path, what: error.to_string() })
    }

    /// Removes what neither `manifest` nor anyone else holds; returns how many files that were. One that
    /// cannot be removed is left for the next time.
    ///
    /// # Errors
    /// If a directory cannot be listed, or a version cannot be read: nothing is removed then.
    pub fn collect(&self, manifest: &Manifest) -> Result<usize, StoreError> {
        let mut removed = 0;
        let mut versions = BTreeSet::new();
        let mut components = BTreeSet::new();
        // Of a version that is damaged or gone nobody can say which component it had: it may be any of them.
        let mut all_known = true;
        for id in manifest.versions() {
            versions.insert(version_name(&id));
            match self.version(id) {
                Ok(version) => {
                    components.insert(component_name(&version.component));
                }
                Err(error) if error.is_lasting() => all_known = false,
                Err(error) => return Err(error),
            }
        }
        removed += self.clear(VERSIONS, |pins, name| {
            versions.contains(name) || pins.holds_version(name.trim_end_matches(".json"))
        })?;
        if all_known {
            removed += self.clear(COMPONENTS, |pins, name| {
                components.contains(name) || pins.holds_component(name.trim_end_matches(".wasm"))
            })?;
        }
        removed += self.clear("", |_, name| !name.starts_with(TEMPORARY))?;
        Ok(removed)
    }

    /// Looks at everything that `manifest` needs, and tells what is not as it was.
    pub fn verify(&self, manifest: &Manifest) -> Vec<StoreError> {
        let mut damages = Vec::new();
        for id in manifest.versions() {
            let whole = self.version(id).and_then(|version| self.component(version.component).map(drop));
            damages.extend(whole.err());
        }
        match self.read_manifest() {
            Ok(read) if read == *manifest => {}
            Ok(_) => damages.push(StoreError::Damaged {
                path: self.directory.join(MANIFEST),
                what: "it is not the one that counts".to_owned(),
            }),
            Err(error) => damages.push(error),
        }
        damages
    }

    fn read_manifest(&self) -> Result<Manifest, StoreError> {
        let path = self.directory.join(MANIFEST);
        match self.disk.read(&path, MANIFEST_BYTES_MAX) {
            Ok(bytes) => Manifest::unseal(&bytes).map_err(|what| StoreError::Damaged { path, what }),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Manifest::default()),
            Err(error) => Err(error::at("read", &path)(error)),
        }
    }

    /// Keeps a file that is named by what is in it.
    fn keep(&self, part: &str, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let directory = self.directory.join(part);
        let target = directory.join(name);
        // One that is there is whole, unless the disk has damaged it: then it is written anew.
        let there = self.disk.read(&target, bytes.len() as u64);
        if there.is_ok_and(|there| there == bytes) {
            return self.sync(&directory);
        }
        self.replace(&directory, &target, bytes)
    }

    fn replace(&self, directory: &Path, target: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        let number = self.temporary.fetch_add(1, Relaxed);
        let temporary = directory.join(format!("{TEMPORARY}{number}"));
        let written = self
            .disk
            .write(&temporary, bytes)
            .and_then(|()| self.disk.rename(&temporary, target))
            .map_err(error::at("write", target));
        if written.is_err() {
            // What it takes of a full disk is given back; where that fails, too, the next start does.
            let _ = self.disk.remove(&temporary);
            return written;
        }
        self.sync(directory)
    }

    fn sync(&self, directory: &Path) -> Result<(), StoreError> {
        self.disk
            .sync_directory(directory)
            .map_err(|source| StoreError::Unsynced { path: directory.to_owned(), source })
    }

    fn read(&self, path: &Path, bytes_max: u64) -> Result<Vec<u8>, StoreError> {
        self.disk.read(path, bytes_max).map_err(error::at("read", path))
    }

    /// Removes the files of a directory that `needed` does not know.
    fn clear(&self, part: &str, needed: impl Fn(&Pinned<'_>, &str) -> bool) -> Result<usize, StoreError> {
        let directory = self.directory.join(part);
        let names = self.disk.list(&directory).map_err(error::at("list", &directory))?;
        let mut removed = 0;
        for name in &names {
            // Nobody begins to hold a file between the look and its removal: who does so later finds it gone.
            let pins = self.pins.look();
            if !needed(&pins, name) && !pins.writes(name) {
                removed += usize::from(self.disk.remove(&directory.join(name)).is_ok());
            }
        }
        Ok(removed)
    }
}

fn component_name(digest: &Digest) -> String {
    format!("{}.wasm", digest.hex())
}

fn version_name(id: &VersionId) -> String {
    format!("{id}.json")
}

/// What is in the store is run: nobody else may write to it.
fn check_private(directory: &Path) -> Result<(), StoreError> {
    let found = fs::metadata(directory).map_err(error::at("look at", directory))?;
    let why = if found.uid() != rustix::process::geteuid().as_raw() {
        format!("it belongs to user {}", found.uid())
    } else if found.mode() & 0o022 != 0 {
        format!("others may write to it (mode {:o})", found.mode() & 0o777)
    } else {
        return Ok(());
    };
    Err(StoreError::NotPrivate { path: directory.to_owned(), why })
}

/// Locks the directory for as long as the answer lives; the system lets go of it with the process.
fn lock(directory: &Path) -> Result<File, StoreError> {
    let path = directory.join(LOCK);
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = file.map_err(error::at("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse { path: directory.to_owned() }),
        Err(TryLockError::Error(source)) => Err(error::at("lock", &path)(source)),
    }
}
