//! Reads the byte that is `?beyond=` bytes (0 by default) past the end of its memory, or with `?write` writes
//! one there; `?within` is the last byte of its memory, which `?grow=` adds pages to before. Sleeps for `?ms=` (0) and
//! answers `byte N` if it can.
//!
//! Claim: what is not a guest's memory is no guest's to read or write, however far it is.

#![allow(unsafe_code, reason = "no safe code can do it")]

use behaviours::prelude::*;
use behaviours::wasip2::clocks::monotonic_clock;

behaviours::export!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let query = query_of(&request);
    core::arch::wasm32::memory_grow(0, query.number("grow", 0) as usize);
    let end = core::arch::wasm32::memory_size(0) << 16;
    let address = match query.has("within") {
        true => end - 1,
        false => end.saturating_add(query.number("beyond", 0) as usize),
    };
    let place = std::ptr::with_exposed_provenance_mut::<u8>(address);
    // SAFETY: none of it: whoever runs this has to see to it that nothing comes of it.
    let byte = unsafe {
        if query.has("write") {
            place.write_volatile(7);
        }
        place.read_volatile()
    };
    let ms = query.number("ms", 0);
    if ms > 0 {
        monotonic_clock::subscribe_duration(ms.saturating_mul(1_000_000)).block();
    }
    answer(out, 200, &format!("byte {byte}\n"));
}
