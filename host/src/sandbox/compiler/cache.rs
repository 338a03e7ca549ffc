//! Compiled code between starts: a directory that only its owner may enter, a file for each component and
//! engine, and the key they are sealed with; beside them components that may be compiled anew. Whatever is wrong with it costs a compilation, never a start.

use super::seal::{KEY_BYTES, OVERHEAD_BYTES, Origin, Rejected, Seal};
use super::vouched::Vouched;
use crate::config::CacheConfig;
use crate::digest::Digest;
use crate::sandbox::component::Checked;
use ring::rand::{SecureRandom, SystemRandom};
use rustix::fs::{OFlags, Timespec, Timestamps, UTIME_NOW, futimens};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The file of the key.
const KEY: &str = "key";
/// How the names of files end that hold code, of those that hold components, and of those that are being written.
const CODE: &str = "code";
const COMPONENT: &str = "component";
const PARTIAL: &str = "tmp";
/// How many digits of the engine's digest are in a file's name; the whole of it is in the file.
const ENGINE_DIGITS: usize = 16;

/// Code that was compiled before.
pub(super) struct Cache {
    directory: PathBuf,
    seal: Seal,
    /// Bytes of all files together.
    bytes_max: u64,
}

/// What the cache has of a component.
#[derive(Debug)]
pub(super) enum Found {
    /// Its code.
    Code(Vouched),
    /// A file that was not loaded, and why.
    Rejected(PathBuf, String),
    /// Nothing.
    Nothing,
}

/// A file of the cache, those first that go first.
#[derive(Eq, Ord, PartialEq, PartialOrd)]
struct Kept {
    fits: bool,
    used: (i64, i64),
    bytes: u64,
    path: PathBuf,
}

impl Cache {
    /// Opens the cache that is asked for, if one is.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub(super) fn open(config: &CacheConfig, bytes_max: u64) -> Result<Option<Self>, String> {
        let directory = match config {
            CacheConfig::Off => return Ok(None),
            CacheConfig::Directory(directory) => directory.clone(),
            CacheConfig::Default => {
                CacheConfig::user_directory().ok_or("neither XDG_CACHE_HOME nor HOME is set")?
            }
        };
        let shown = directory.display();
        private_directory(&directory).map_err(|error| format!("{shown}: {error}"))?;
        let directory = directory.canonicalize().map_err(|error| format!("{shown}: {error}"))?;
        let key = key(&directory.join(KEY)).map_err(|error| format!("{shown}/{KEY}: {error}"))?;
        Ok(Some(Self { directory, seal: Seal::new(&key), bytes_max }))
    }

    /// The code of `origin`, each byte read once: what was verified is what is handed out.
    pub(super) fn get(&self, origin: &Origin) -> Found {
        let path = self.path(origin);
        let opened = self.open_used(&path).map_err(Rejected::from).and_then(|(file, length)| {
            self.seal.open(origin, length, &|to, from| file.read_exact_at(to, from))
        });
        match opened {
            Ok(code) => Found::Code(code),
            Err(Rejected::Unread(error)) if error.kind() == ErrorKind::NotFound => Found::Nothing,
            Err(why) => Found::Rejected(path, why.to_string()),
        }
    }

    /// Keeps the code of `origin`: whole, or not at all.
    pub(super) fn put(&self, origin: &Origin, code: &Vouched) -> io::Result<()> {
        let code = code.bytes()?;
        self.write(&self.path(origin), &[&self.seal.head(origin, &code), &code])
    }

    /// Keeps a component, if it is not kept yet and no code has to go for it.
    pub(super) fn put_component(&self, component: &Checked) -> io::Result<()> {
        let path = self.component_path(component.digest);
        if self.open_used(&path).is_ok_and(|(_, length)| length == component.bytes.len()) {
            return Ok(());
        }
        let taken: u64 = self.files(&path)?.iter().map(|file| file.bytes).sum();
        if taken.saturating_add(component.bytes.len() as u64) > self.bytes_max {
            return Err(ErrorKind::StorageFull.into());
        }
        self.write(&path, &[&component.bytes])
    }

    /// The component with this digest, if it is still what was kept. A file that is not goes, so that it can be kept
    /// again.
    pub(super) fn component(&self, digest: Digest) -> Option<Vec<u8>> {
        let path = self.component_path(digest);
        let (file, length) = self.open_used(&path).ok()?;
        let mut bytes = Vec::with_capacity(length);
        let read = file.take(length as u64).read_to_end(&mut bytes);
        if read.is_ok() && Digest::of(&bytes) == digest {
            return Some(bytes);
        }
        let _ = fs::remove_file(path);
        None
    }

    fn write(&self, path: &Path, parts: &[&[u8]]) -> io::Result<()> {
        let needed = parts.iter().map(|part| part.len() as u64).sum();
        if needed > self.bytes_max {
            let (most, why) = (self.bytes_max, "`cache-size` has no room for it:");
            return Err(io::Error::other(format!("{why} {needed} bytes of {most}")));
        }
        self.make_room(needed, path)?;
        let partial = path.with_extension(format!("{}.{PARTIAL}", uuid::Uuid::new_v4().simple()));
        let written = (|| {
            let mut file = new_file(&partial)?;
            for part in parts {
                file.write_all(part)?;
            }
            file.sync_all()?;
            fs::rename(&partial, path)
        })();
        if written.is_err() {
            let _ = fs::remove_file(&partial);
        }
        written
    }

    fn path(&self, origin: &Origin) -> PathBuf {
        let (component, mut engine) = (origin.component.hex(), origin.engine.hex());
        engine.truncate(ENGINE_DIGITS);
        self.directory.join(format!("{component}-{engine}.{CODE}"))
    }

    fn component_path(&self, digest: Digest) -> PathBuf {
        self.directory.join(format!("{}.{COMPONENT}", digest.hex()))
    }

    /// Opens a file of ours, and marks it as used.
    fn open_used(&self, path: &Path) -> io::Result<(File, usize)> {
        let file = open_file(path)?;
        let length = file.metadata()?.len();
        if length > self.bytes_max.max(OVERHEAD_BYTES as u64) {
            return Err(io::Error::new(ErrorKind::InvalidData, "it is larger than all the cache may hold"));
        }
        let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
        // Where that fails the file only counts as older than it is.
        let _ = futimens(&file, &Timestamps { last_access: now, last_modification: now });
        Ok((file, usize::try_from(length).map_err(io::Error::other)?))
    }

    /// Removes what was not used for longest until there is room for `needed` bytes at `path`.
    fn make_room(&self, needed: u64, path: &Path) -> io::Result<()> {
        let mut files = self.files(path)?;
        files.sort_unstable();
        let mut taken: u64 = files.iter().map(|file| file.bytes).sum();
        for Kept { bytes, path, .. } in files {
            if taken.saturating_add(needed) <= self.bytes_max {
                break;
            }
            match fs::remove_file(path) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => taken = taken.saturating_sub(bytes),
            }
        }
        Ok(())
    }

    /// What there is beside the file at `path`.
    fn files(&self, path: &Path) -> io::Result<Vec<Kept>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let ours = entry
                .path()
                .extension()
                .is_some_and(|ending| ending == CODE || ending == COMPONENT || ending == PARTIAL);
            // What somebody else removes meanwhile takes no room.
            if let Ok(found) = entry.metadata()
                && ours
                && entry.path() != path
            {
                files.push(Kept {
                    // What was not written here, since it is too large for that, goes before anything of ours.
                    fits: found.len() <= self.bytes_max,
                    used: (found.mtime(), found.mtime_nsec()),
                    bytes: found.len(),
                    path: entry.path(),
                });
            }
        }
        Ok(files)
    }
}

/// The key in this file, which is made if there is none that could be one.
fn key(path: &Path) -> io::Result<[u8; KEY_BYTES]> {
    if let Some(key) = read_key(path)? {
        return Ok(key);
    }
    let mut key = [0; KEY_BYTES];
    SystemRandom::new().fill(&mut key).map_err(|_| io::Error::other("the system has no randomness"))?;
    let partial = path.with_extension(format!("{}.{PARTIAL}", uuid::Uuid::new_v4().simple()));
    let written = (|| {
        let mut file = new_file(&partial)?;
        file.write_all(&key)?;
        file.sync_all()?;
        fs::hard_link(&partial, path)
    })();
    fs::remove_file(&partial)?;
    match written {
        Ok(()) => Ok(key),
        // Another host was first.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            read_key(path)?.ok_or_else(|| io::Error::other("another process keeps changing it"))
        }
        Err(error) => Err(error),
    }
}

/// The key in this file; none if there is no file. A file that is no key, or not this user's alone, is
/// removed: what it would vouch for could be anybody's.
fn read_key(path: &Path) -> io::Result<Option<[u8; KEY_BYTES]>> {
    let file = match open_file(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let found = file.metadata()?;
    let own = found.uid() == rustix::process::geteuid().as_raw() && found.mode() & 0o077 == 0;
    let mut bytes = Vec::new();
    file.take(KEY_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    match bytes.try_into() {
        Ok(key) if own => Ok(Some(key)),
        Ok(_) | Err(_) => fs::remove_file(path).map(|()| None),
    }
}

/// Opens a regular file to be read, through no link.
fn open_file(path: &Path) -> io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
    let file =
        OpenOptions::new().read(true).custom_flags(i32::from_ne_bytes(flags.to_ne_bytes())).open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::new(ErrorKind::InvalidData, "it is no regular file")),
    }
}

/// Makes a file that was not there before, for this user alone.
fn new_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn private_directory(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let found = fs::metadata(directory)?;
    let refuse = |why| Err(io::Error::new(ErrorKind::PermissionDenied, why));
    if found.uid() != rustix::process::geteuid().as_raw() {
        return refuse(format!("it belongs to user {}, and what is in it is run", found.uid()));
    }
    if found.mode() & 0o022 != 0 {
        let mode = found.mode() & 0o777;
        return refuse(format!("others may write to it (mode {mode:o}), and what is in it is run"));
    }
    Ok(())
}

#[cfg(test)]
#[path = "cache/tests.rs"]
mod tests;
