//! Bytes in pieces, each with its digest: read and digested by several threads at once, since code has tens of
//! megabytes and a start waits for it.

use crate::digest::Digest;
use std::io;
use std::sync::{Mutex, PoisonError};

/// Bytes of a piece; the last one may be shorter.
const PIECE_BYTES: usize = 4 * 1024 * 1024;
/// Threads that read one file at most.
const THREADS_MAX: usize = 4;

/// Reads bytes from an offset on, exactly as many as there is room for.
pub(super) type ReadAt<'a> = &'a (dyn Fn(&mut [u8], u64) -> io::Result<()> + Sync);

/// The digests of the pieces of `bytes`.
pub(super) fn digests(bytes: &[u8]) -> Vec<Digest> {
    bytes.chunks(PIECE_BYTES).map(Digest::of).collect()
}

/// Reads `length` bytes from `start` on, each once, with the digests of their pieces.
pub(super) fn read(length: usize, start: u64, read_at: ReadAt<'_>) -> io::Result<(Vec<u8>, Vec<Digest>)> {
    let count = length.div_ceil(PIECE_BYTES);
    let (mut bytes, mut digests) = (vec![0; length], vec![Digest::from([0; 32]); count]);
    let pieces = Mutex::new(bytes.chunks_mut(PIECE_BYTES).zip(&mut digests).enumerate());
    let work = || {
        loop {
            let next = pieces.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((at, (piece, digest))) = next else { return Ok(()) };
            read_at(piece, start + (at * PIECE_BYTES) as u64)?;
            *digest = Digest::of(piece);
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        // Without another thread the one that is here reads all of it.
        let help = |_| std::thread::Builder::new().name("read".into()).spawn_scoped(scope, work).ok();
        let others: Vec<_> = (1..count.min(cores).min(THREADS_MAX)).filter_map(help).collect();
        let mine = work();
        let failed = |_| Err(io::Error::other("the thread that read it panicked"));
        others.into_iter().map(|thread| thread.join().unwrap_or_else(failed)).fold(mine, Result::and)
    })?;
    Ok((bytes, digests))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_read_once_and_digested_where_it_is() {
        for length in [0, 1, PIECE_BYTES, PIECE_BYTES + 1, 6 * PIECE_BYTES + 7] {
            let whole: Vec<u8> = (0..length).map(|at| (at / 1000) as u8).collect();
            let count = std::sync::atomic::AtomicUsize::new(0);
            let read_at = |to: &mut [u8], from: u64| {
                count.fetch_add(to.len(), std::sync::atomic::Ordering::Relaxed);
                let from = usize::try_from(from).expect("a small number") - 3;
                to.copy_from_slice(&whole[from..from + to.len()]);
                Ok(())
            };
            let (bytes, found) = read(length, 3, &read_at).expect("nothing fails");
            assert!(bytes == whole, "{length} bytes");
            assert_eq!(found, digests(&whole), "{length} bytes");
            assert_eq!(count.into_inner(), length);
        }
    }

    #[test]
    fn a_piece_that_cannot_be_read_fails_all_of_it() {
        let read_at = |_: &mut [u8], from: u64| match from {
            0 => Ok(()),
            _ => Err(io::Error::other("gone")),
        };
        assert!(read(PIECE_BYTES, 0, &read_at).is_ok());
        let error = read(PIECE_BYTES + 1, 0, &read_at).expect_err("the second piece");
        assert_eq!(error.to_string(), "gone");
    }
}
