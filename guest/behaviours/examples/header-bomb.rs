//! Appends response headers of 1,000 bytes until the host refuses one, and answers
//! `refused after N` and, on the next line, `M bytes`.
//!
//! Claim: the host bounds the headers it holds for a guest, and says so with an error.

use behaviours::prelude::*;

behaviours::export!(handle);

fn handle(_request: IncomingRequest, out: ResponseOutparam) {
    let fields = Fields::new();
    let value = [b'a'; 1000];
    let mut count = 0_usize;
    let mut bytes = 0_usize;
    loop {
        let name = format!("x-bomb-{count}");
        if fields.append(&name, &value).is_err() {
            break;
        }
        count += 1;
        bytes += name.len() + value.len();
    }
    answer(out, 200, &format!("refused after {count}\n{bytes} bytes\n"));
}
