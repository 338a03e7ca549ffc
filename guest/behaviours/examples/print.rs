//! Prints `?bytes=` bytes, a mebibyte by default, in lines of 64 bytes to standard output and as
//! much to standard error, and answers `printed N`.
//!
//! Claim: what a request may log is bounded, and printing more neither blocks nor fails the guest.

use behaviours::prelude::*;

behaviours::export!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let bytes = query_of(&request).number("bytes", 1 << 20);
    // What the host does with its log is no reason to fail.
    let _ = print(bytes, "stdout", std::io::stdout().lock());
    let _ = print(bytes, "stderr", std::io::stderr().lock());
    answer(out, 200, &format!("printed {bytes}\n"));
}

fn print(bytes: u64, name: &str, mut stream: impl std::io::Write) -> std::io::Result<()> {
    let mut left = bytes;
    let mut number = 0_u64;
    while left > 0 {
        let line = format!("{:.<63}\n", format!("{name} line {number} "));
        let length = line.len().min(left as usize);
        stream.write_all(&line.as_bytes()[..length])?;
        left -= length as u64;
        number += 1;
    }
    stream.flush()
}
