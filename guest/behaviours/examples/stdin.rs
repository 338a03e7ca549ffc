//! Reads standard input to its end and answers `read N` or `error ERROR`.
//!
//! Claim: a guest cannot read what is typed or piped into the host, nor wait for it.

use std::io::Read as _;

use behaviours::prelude::*;

behaviours::export!(handle);

fn handle(_request: IncomingRequest, out: ResponseOutparam) {
    let mut input = Vec::new();
    let text = match std::io::stdin().read_to_end(&mut input) {
        Ok(bytes) => format!("read {bytes}\n"),
        Err(error) => format!("error {error}\n"),
    };
    answer(out, 200, &text);
}
