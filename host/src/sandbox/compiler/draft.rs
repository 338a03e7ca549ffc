//! Code on its way from a file that anybody might change to where it is run from: a file in memory which nobody can
//! change once it is sealed (memfd_create(2), fcntl(2)), so that it is mapped and not copied. Or a buffer of this
//! process, where there is no such thing.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// Room for code that several threads write at once.
#[derive(Debug)]
pub(super) enum Draft {
    /// A file in memory.
    File(MemoryFile),
    /// A buffer.
    Buffer(Mutex<Vec<u8>>),
}

/// Code that nobody writes to any more.
#[derive(Debug)]
pub(super) enum Code {
    /// In a file in memory that is sealed.
    File(MemoryFile),
    /// In a buffer, from `start` on: what came through a pipe has a line before it, and is not copied for that.
    Buffer { buffer: Vec<u8>, start: usize },
}

/// A file in memory, and where this process finds it as long as it holds this.
#[derive(Debug)]
pub(super) struct MemoryFile {
    file: File,
    pub(super) path: PathBuf,
    pub(super) bytes: usize,
}

impl Draft {
    /// Room for so many bytes in a file in memory.
    ///
    /// # Errors
    /// Where the system has none, or cannot name it.
    pub(super) fn file(bytes: usize) -> io::Result<Self> {
        MemoryFile::new(bytes).map(Self::File)
    }

    /// Room for so many bytes in a buffer.
    pub(super) fn buffer(bytes: usize) -> Self {
        Self::Buffer(Mutex::new(vec![0; bytes]))
    }

    /// Writes `bytes` at an offset.
    pub(super) fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        match self {
            Self::File(memory) => memory.file.write_all_at(bytes, at),
            Self::Buffer(buffer) => {
                let mut buffer = buffer.lock().unwrap_or_else(PoisonError::into_inner);
                let at = usize::try_from(at).map_err(io::Error::other)?;
                let place = buffer.get_mut(at..).and_then(|rest| rest.get_mut(..bytes.len()));
                place.ok_or(io::ErrorKind::WriteZero)?.copy_from_slice(bytes);
                Ok(())
            }
        }
    }

    /// Ends the writing.
    ///
    /// # Errors
    /// Where the system cannot seal it: somebody else has mapped it to write to it.
    pub(super) fn seal(self) -> io::Result<Code> {
        match self {
            Self::File(memory) => memory.seal().map(Code::File),
            Self::Buffer(buffer) => Ok(Code::Buffer {
                buffer: buffer.into_inner().unwrap_or_else(PoisonError::into_inner),
                start: 0,
            }),
        }
    }
}

#[cfg(target_os = "linux")]
impl MemoryFile {
    fn new(bytes: usize) -> io::Result<Self> {
        use rustix::fs::{MemfdFlags, memfd_create};
        use std::os::fd::AsRawFd;
        let create =
            |more| memfd_create(c"wasm-host-code", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING | more);
        // It is mapped to be run, and never started as a program. Before Linux 6.3 nobody could say so.
        let file = create(MemfdFlags::NOEXEC_SEAL).or_else(|_| create(MemfdFlags::empty()))?;
        let file = File::from(file);
        file.set_len(bytes as u64)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
        // A container may have no /proc, or something else in its place.
        let (found, named) = (file.metadata()?, File::open(&path)?.metadata()?);
        match (found.dev(), found.ino()) == (named.dev(), named.ino()) {
            true => Ok(Self { file, path, bytes }),
            false => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    fn seal(self) -> io::Result<Self> {
        use rustix::fs::SealFlags;
        let all = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
        rustix::fs::fcntl_add_seals(&self.file, all)?;
        Ok(self)
    }
}

#[cfg(not(target_os = "linux"))]
impl MemoryFile {
    fn new(_: usize) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn seal(self) -> io::Result<Self> {
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffer_takes_what_is_written_and_no_more_than_it_has_room_for() {
        let draft = Draft::buffer(9);
        draft.write_at(b"code", 5).expect("there is room");
        draft.write_at(b"some ", 0).expect("there is room");
        for (bytes, at) in [(&b"0123456789"[..], 0), (b"1", 9), (b"12", 8), (b"1", u64::MAX)] {
            assert!(draft.write_at(bytes, at).is_err(), "{} at {at}", bytes.len());
        }
        let Ok(Code::Buffer { buffer, start: 0 }) = draft.seal() else { panic!("a buffer stays one") };
        assert_eq!(buffer, b"some code");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn sealed_code_can_be_changed_by_nobody() {
        let draft = Draft::file(4).expect("this system has files in memory");
        draft.write_at(b"code", 0).expect("there is room");
        let Draft::File(MemoryFile { path, .. }) = &draft else { panic!("a file") };
        let before = File::options().read(true).write(true).open(path).expect("not sealed yet");
        let Ok(Code::File(MemoryFile { file, path, bytes: 4 })) = draft.seal() else {
            panic!("a file stays one")
        };
        let after = File::options().read(true).write(true).open(&path);
        for file in [Some(&file), Some(&before), after.as_ref().ok()].into_iter().flatten() {
            assert!(file.write_all_at(b"evil", 0).is_err());
            assert!(file.set_len(0).is_err());
            assert!(file.set_len(8).is_err());
        }
        assert_eq!(std::fs::read(path).expect("read"), b"code");
    }
}
