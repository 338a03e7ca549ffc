//! Appends headers of 1,000 bytes until it has `?count=` of them, without end by default, or the host
//! refuses one. Answers `appended N` or `refused after N` and, on the next line, `M bytes`.
//!
//! Claim: the host bounds the headers it holds for a guest. WASI 0.2 has no error for that, so the
//! host may trap the guest in place of refusing.

use behaviours::prelude::*;

behaviours::export!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let count_max = query_of(&request).number("count", u64::MAX);
    let fields = Fields::new();
    let value = [b'a'; 1000];
    let mut count = 0_u64;
    let mut bytes = 0_usize;
    let mut verdict = "appended";
    while count < count_max {
        let name = format!("x-bomb-{count}");
        if fields.append(&name, &value).is_err() {
            verdict = "refused after";
            break;
        }
        count += 1;
        bytes += name.len() + value.len();
    }
    answer(out, 200, &format!("{verdict} {count}\n{bytes} bytes\n"));
}
