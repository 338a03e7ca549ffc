//! Compiled code that somebody vouches for: what the type cannot be made of, is never loaded.

use super::draft::Code;
use std::borrow::Cow;
use std::io;
use std::path::Path;

/// Compiled code as the compiler wrote it.
#[derive(Debug)]
pub(in crate::sandbox) struct Vouched(Code);

/// Where an engine loads code from.
pub(in crate::sandbox) enum Source<'a> {
    /// Bytes, which are copied.
    Bytes(&'a [u8]),
    /// A file, which is mapped, and which nobody can change.
    File(&'a Path),
}

impl Vouched {
    /// What the compiler's process answered, from `start` on.
    pub(super) fn compiled(buffer: Vec<u8>, start: usize) -> Self {
        Self(Code::Buffer { buffer, start })
    }

    /// What was sealed by this user, and has just been verified.
    pub(super) fn verified(code: Code) -> Self {
        Self(code)
    }

    /// What to load it from, while it is held.
    pub(in crate::sandbox) fn source(&self) -> Source<'_> {
        match &self.0 {
            Code::Buffer { buffer, start } => Source::Bytes(buffer.get(*start..).unwrap_or_default()),
            Code::File(memory) => Source::File(&memory.path),
        }
    }

    /// How many bytes it has.
    pub(super) fn len(&self) -> usize {
        match &self.0 {
            Code::Buffer { buffer, start } => buffer.len().saturating_sub(*start),
            Code::File(memory) => memory.bytes,
        }
    }

    /// The code itself.
    ///
    /// # Errors
    /// Where it is in a file that cannot be read.
    pub(in crate::sandbox) fn bytes(&self) -> io::Result<Cow<'_, [u8]>> {
        match self.source() {
            Source::Bytes(bytes) => Ok(bytes.into()),
            Source::File(path) => std::fs::read(path).map(Cow::from),
        }
    }
}
