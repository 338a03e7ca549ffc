//! The form of a cached file: compiled code with what it was made from and for, under an HMAC whose key only
//! this user has. Whatever differs in a single bit is not what was written, and is never loaded.
//!
//! ```text
//! 32 bytes  HMAC-SHA-256 of the next four, and of the SHA-256 of each 4 MiB of the code
//! 16 bytes  the name of this form
//! 32 bytes  SHA-256 of the component
//! 32 bytes  SHA-256 of the engine's settings, its version and the processor
//!  8 bytes  the length of the code, little-endian
//! the rest  the code
//! ```

use super::draft::Draft;
use super::pieces::{self, ReadAt};
use super::vouched::Vouched;
use crate::digest::Digest;
use ring::hmac;
use std::io;

const TAG_BYTES: usize = 32;
const FORM: &[u8; 16] = b"wasm-host code 1";
const HEAD_BYTES: usize = FORM.len() + 32 + 32 + 8;
/// What a file has beside its code.
pub(super) const OVERHEAD_BYTES: usize = TAG_BYTES + HEAD_BYTES;
/// Bytes of a key.
pub(super) const KEY_BYTES: usize = 32;

/// What some code was compiled from and for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Origin {
    /// The component.
    pub(super) component: Digest,
    /// The engine: settings, version and processor.
    pub(super) engine: Digest,
}

/// Why a file is not loaded.
#[derive(Debug, thiserror::Error)]
pub(super) enum Rejected {
    #[error("it is shorter than any that was written here")]
    Short,
    #[error("it cannot be read: {0}")]
    Unread(#[from] io::Error),
    #[error("its HMAC does not verify: it is not what was written here, or was written with another key")]
    Forged,
    #[error("it is code of another component, or for another engine")]
    Other,
}

/// Seals code, and tells whether somebody else did.
pub(super) struct Seal(hmac::Key);

impl Seal {
    pub(super) fn new(key: &[u8; KEY_BYTES]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// What stands before `code` in its file.
    pub(super) fn head(&self, origin: &Origin, code: &[u8]) -> [u8; OVERHEAD_BYTES] {
        let head = origin.head(code.len());
        let mut all = [0; OVERHEAD_BYTES];
        let (tag, rest) = all.split_at_mut(TAG_BYTES);
        tag.copy_from_slice(hmac::sign(&self.0, &sealed(&head, &pieces::digests(code))).as_ref());
        rest.copy_from_slice(&head);
        all
    }

    /// The code in a file of `length` bytes, if it is exactly what was sealed for `origin`. The comparison takes
    /// the same time wherever they differ.
    pub(super) fn open(
        &self,
        origin: &Origin,
        length: usize,
        read_at: ReadAt<'_>,
    ) -> Result<Vouched, Rejected> {
        let code_bytes = length.checked_sub(OVERHEAD_BYTES).ok_or(Rejected::Short)?;
        let open_in = |room| self.open_in(room, origin, code_bytes, read_at);
        // Whatever keeps the system from having it in a file in memory, a buffer will do.
        match Draft::file(code_bytes).map(open_in) {
            Err(_) | Ok(Err(Rejected::Unread(_))) => open_in(Draft::buffer(code_bytes)),
            Ok(opened) => opened,
        }
    }

    fn open_in(
        &self,
        room: Draft,
        origin: &Origin,
        code_bytes: usize,
        read_at: ReadAt<'_>,
    ) -> Result<Vouched, Rejected> {
        let mut all = [0; OVERHEAD_BYTES];
        read_at(&mut all, 0)?;
        let (tag, head) = all.split_at(TAG_BYTES);
        let write_at = |part: &[u8], at| room.write_at(part, at);
        let digests = pieces::copy(code_bytes, OVERHEAD_BYTES as u64, read_at, &write_at)?;
        hmac::verify(&self.0, &sealed(head, &digests), tag).map_err(|_| Rejected::Forged)?;
        match head == origin.head(code_bytes) {
            true => Ok(Vouched::verified(room.seal()?)),
            false => Err(Rejected::Other),
        }
    }
}

/// What the HMAC is of. How many digests there are, the length in the head says.
fn sealed(head: &[u8], digests: &[Digest]) -> Vec<u8> {
    let digests = digests.iter().flat_map(Digest::as_bytes);
    head.iter().chain(digests).copied().collect()
}

impl Origin {
    fn head(&self, code_bytes: usize) -> [u8; HEAD_BYTES] {
        let mut head = [0; HEAD_BYTES];
        let length = (code_bytes as u64).to_le_bytes();
        let parts: [&[u8]; 4] = [FORM, self.component.as_bytes(), self.engine.as_bytes(), &length];
        for (place, byte) in head.iter_mut().zip(parts.concat()) {
            *place = byte;
        }
        head
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::compiler::Source;
    use proptest::prelude::*;

    fn origin(component: &[u8], engine: &[u8]) -> Origin {
        Origin { component: Digest::of(component), engine: Digest::of(engine) }
    }

    fn sealed(seal: &Seal, origin: &Origin, code: &[u8]) -> Vec<u8> {
        [&seal.head(origin, code)[..], code].concat()
    }

    fn read_at(file: &[u8]) -> impl Fn(&mut [u8], u64) -> io::Result<()> + Sync {
        |to, from| {
            let from = usize::try_from(from).expect("a small file");
            let bytes = file.get(from..from + to.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
            to.copy_from_slice(bytes);
            Ok(())
        }
    }

    /// Opens a file with these bytes.
    fn open(seal: &Seal, origin: &Origin, file: &[u8]) -> Result<Vec<u8>, Rejected> {
        seal.open(origin, file.len(), &read_at(file)).map(|code| code.bytes().expect("read").into_owned())
    }

    #[test]
    fn code_comes_back_as_it_was() {
        let (seal, of) = (Seal::new(&[7; 32]), origin(b"c", b"e"));
        for code in [&b""[..], b"code", &[0; 10_000], &[1; 9 << 20]] {
            let file = sealed(&seal, &of, code);
            assert!(open(&seal, &of, &file).expect("just sealed") == code);
            let buffer = Draft::buffer(code.len());
            let opened = seal.open_in(buffer, &of, code.len(), &read_at(&file)).expect("just sealed");
            assert!(matches!(opened.source(), Source::Bytes(bytes) if bytes == code));
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn code_is_mapped_and_not_copied() {
        let (seal, of) = (Seal::new(&[7; 32]), origin(b"c", b"e"));
        let file = sealed(&seal, &of, b"code");
        let opened = seal.open(&of, file.len(), &read_at(&file)).expect("just sealed");
        assert!(matches!(opened.source(), Source::File(_)));
    }

    #[test]
    fn another_key_component_or_engine_is_rejected() {
        let (seal, of) = (Seal::new(&[7; 32]), origin(b"c", b"e"));
        let file = sealed(&seal, &of, b"code");
        assert!(open(&seal, &of, &file).is_ok());
        assert!(matches!(open(&Seal::new(&[8; 32]), &of, &file), Err(Rejected::Forged)));
        // Not even where one half is exchanged for the other.
        for other in [origin(b"d", b"e"), origin(b"c", b"f"), origin(b"e", b"c")] {
            assert!(matches!(open(&seal, &other, &file), Err(Rejected::Other)));
        }
    }

    #[test]
    fn every_flipped_bit_is_rejected() {
        let (seal, of) = (Seal::new(&[7; 32]), origin(b"c", b"e"));
        let file = sealed(&seal, &of, b"some code");
        for bit in 0..file.len() * 8 {
            let mut flipped = file.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(open(&seal, &of, &flipped), Err(Rejected::Forged)), "bit {bit}");
        }
    }

    #[test]
    fn every_other_length_is_rejected() {
        let (seal, of) = (Seal::new(&[7; 32]), origin(b"c", b"e"));
        let file = sealed(&seal, &of, b"some code");
        for length in 0..file.len() {
            assert!(open(&seal, &of, &file[..length]).is_err(), "{length} bytes");
        }
        assert!(open(&seal, &of, &[&file[..], b"\0"].concat()).is_err());
    }

    #[test]
    fn pieces_that_changed_places_are_rejected() {
        let (seal, of) = (Seal::new(&[7; 32]), origin(b"c", b"e"));
        let code = [vec![1; 4 << 20], vec![2; 4 << 20]].concat();
        let mut file = sealed(&seal, &of, &code);
        file[OVERHEAD_BYTES..].rotate_left(4 << 20);
        assert!(matches!(open(&seal, &of, &file), Err(Rejected::Forged)));
    }

    proptest! {
        #[test]
        fn no_bytes_are_taken_for_code(file: Vec<u8>, at: usize, with: u8) {
            let (seal, of) = (Seal::new(&[7; 32]), origin(b"c", b"e"));
            prop_assert!(open(&seal, &of, &file).is_err());
            // Nor is what was sealed, with any byte in the place of another.
            let whole = sealed(&seal, &of, &file);
            let at = at % whole.len();
            let mut changed = whole.clone();
            changed[at] = with;
            prop_assert_eq!(open(&seal, &of, &changed).is_ok(), whole[at] == with);
        }
    }
}
