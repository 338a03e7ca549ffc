//! Bytes in pieces, each with its digest: read, digested and put where they are to lie by several threads at once,
//! since code has tens of megabytes and a start waits for it.

use crate::digest::Digest;
use sha2::{Digest as _, Sha256};
use std::io;
use std::sync::{Mutex, PoisonError};

/// Bytes of a piece; the last one may be shorter.
const PIECE_BYTES: usize = 4 * 1024 * 1024;
/// Bytes that a thread has in hand: they stay in the caches of its core until they are digested and written.
const PART_BYTES: usize = 128 * 1024;
/// Threads that read one file at most.
const THREADS_MAX: usize = 4;

/// Reads bytes from an offset on, exactly as many as there is room for.
pub(super) type ReadAt<'a> = &'a (dyn Fn(&mut [u8], u64) -> io::Result<()> + Sync);
/// Writes bytes at an offset, all of them.
pub(super) type WriteAt<'a> = &'a (dyn Fn(&[u8], u64) -> io::Result<()> + Sync);

/// The digests of the pieces of `bytes`.
pub(super) fn digests(bytes: &[u8]) -> Vec<Digest> {
    bytes.chunks(PIECE_BYTES).map(Digest::of).collect()
}

/// Reads `length` bytes from `start` on, each once, and writes them from 0 on: what is written has these digests,
/// whatever becomes of what was read.
pub(super) fn copy(
    length: usize,
    start: u64,
    read_at: ReadAt<'_>,
    write_at: WriteAt<'_>,
) -> io::Result<Vec<Digest>> {
    let count = length.div_ceil(PIECE_BYTES);
    let mut digests = vec![Digest::from([0; 32]); count];
    let pieces = Mutex::new(digests.iter_mut().enumerate());
    let work = || {
        let mut room = vec![0; PART_BYTES.min(length)];
        loop {
            let next = pieces.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((at, digest)) = next else { return Ok(()) };
            let (from, until) = (at * PIECE_BYTES, length.min((at + 1) * PIECE_BYTES));
            let mut hasher = Sha256::new();
            for from in (from..until).step_by(PART_BYTES) {
                let part = &mut room[..PART_BYTES.min(until - from)];
                read_at(part, start + from as u64)?;
                hasher.update(&*part);
                write_at(part, from as u64)?;
            }
            *digest = Digest::from(<[u8; 32]>::from(hasher.finalize()));
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
    Ok(digests)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_read_once_and_digested_where_it_is() {
        for length in [0, 1, PART_BYTES + 1, PIECE_BYTES, PIECE_BYTES + 1, 6 * PIECE_BYTES + 7] {
            let whole: Vec<u8> = (0..length).map(|at| (at / 1000) as u8).collect();
            let count = std::sync::atomic::AtomicUsize::new(0);
            let read_at = |to: &mut [u8], from: u64| {
                count.fetch_add(to.len(), std::sync::atomic::Ordering::Relaxed);
                let from = usize::try_from(from).expect("a small number") - 3;
                to.copy_from_slice(&whole[from..from + to.len()]);
                Ok(())
            };
            let written = Mutex::new(vec![0xff; length]);
            let write_at = |bytes: &[u8], at: u64| {
                let at = usize::try_from(at).expect("a small number");
                written.lock().expect("no panic")[at..at + bytes.len()].copy_from_slice(bytes);
                Ok(())
            };
            let found = copy(length, 3, &read_at, &write_at).expect("nothing fails");
            assert!(written.into_inner().expect("no panic") == whole, "{length} bytes");
            assert_eq!(found, digests(&whole), "{length} bytes");
            assert_eq!(count.into_inner(), length);
        }
    }

    #[test]
    fn a_piece_that_cannot_be_read_or_written_fails_all_of_it() {
        let in_first = |at: u64| match at < PIECE_BYTES as u64 {
            true => Ok(()),
            false => Err(io::Error::other("gone")),
        };
        let (read, write) = (|_: &mut [u8], from| in_first(from), |_: &[u8], at| in_first(at));
        assert!(copy(PIECE_BYTES, 0, &read, &write).is_ok());
        let error = copy(PIECE_BYTES + 1, 0, &read, &|_, _| Ok(())).expect_err("the second piece");
        assert_eq!(error.to_string(), "gone");
        let error = copy(PIECE_BYTES + 1, 0, &|_, _| Ok(()), &write).expect_err("the second piece");
        assert_eq!(error.to_string(), "gone");
    }
}
