//! Compiled code that somebody vouches for: what the type cannot be made of, is never loaded.

/// Compiled code as the compiler wrote it.
#[derive(Debug)]
pub(in crate::sandbox) struct Vouched {
    buffer: Vec<u8>,
    /// Where the code begins in it: what came through a pipe has a line before it, and is not
    /// copied for that.
    start: usize,
}

impl Vouched {
    /// What the compiler's process answered, from `start` on.
    pub(super) fn compiled(buffer: Vec<u8>, start: usize) -> Self {
        Self { buffer, start }
    }

    /// What was sealed by this user, and has just been verified.
    pub(super) fn verified(code: Vec<u8>) -> Self {
        Self { buffer: code, start: 0 }
    }

    /// The code.
    pub(in crate::sandbox) fn bytes(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }
}
