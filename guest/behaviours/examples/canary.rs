//! `?write=HEX` fills 4 MiB of heap and half a mebibyte of stack with the pattern and answers
//! `wrote N`; `?scan=HEX` grows its memory by 4 MiB, looks through all of it for the pattern four
//! times in a row, and answers `found N`. Asked for both, it does both, so that a test can see that
//! the scan finds what is there.
//!
//! Claim: no byte of one request's memory is there in another's.

use behaviours::prelude::*;

behaviours::export!(handle);

const HEAP_BYTES: usize = 4 << 20;
const STACK_BYTES: usize = 512 << 10;
const PAGE_BYTES: usize = 64 << 10;
/// One copy of the pattern is in the scanner itself, as it has to know it.
const COPIES_IN_A_ROW: usize = 4;

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let query = query_of(&request);
    let pattern = |name| query.get(name).and_then(parse_hex);
    let mut text = String::new();
    if let Some(pattern) = pattern("write") {
        text.push_str(&format!("wrote {}\n", write(&pattern)));
    }
    if let Some(pattern) = pattern("scan") {
        text.push_str(&format!("found {}\n", scan(&pattern)));
    }
    if text.is_empty() {
        return answer(out, 400, "ask for ?write=HEX or ?scan=HEX, one byte or more\n");
    }
    answer(out, 200, &text);
}

fn parse_hex(hex: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = hex.chars().map(|digit| digit.to_digit(16)).collect();
    let (pairs, []) = digits.as_ref()?.as_chunks::<2>() else {
        return None;
    };
    let bytes: Vec<u8> = pairs.iter().map(|[high, low]| (high * 16 + low) as u8).collect();
    (!bytes.is_empty()).then_some(bytes)
}

fn write(pattern: &[u8]) -> usize {
    let mut heap = vec![0_u8; HEAP_BYTES];
    fill(&mut heap, pattern);
    // The heap is given back with the pattern in it, as a handler's secrets would be.
    heap.len() + write_stack(pattern)
}

#[inline(never)]
fn write_stack(pattern: &[u8]) -> usize {
    let mut stack = [0_u8; STACK_BYTES];
    fill(&mut stack, pattern);
    stack.len()
}

fn fill(memory: &mut [u8], pattern: &[u8]) {
    for (byte, value) in memory.iter_mut().zip(pattern.iter().cycle()) {
        *byte = *value;
    }
    std::hint::black_box(memory);
}

fn scan(pattern: &[u8]) -> usize {
    // Memory that is new to this instance may have been another's. A refusal leaves the rest to
    // look through.
    core::arch::wasm32::memory_grow::<0>(HEAP_BYTES / PAGE_BYTES);
    let end = core::arch::wasm32::memory_size::<0>() * PAGE_BYTES;
    let run = pattern.len() * COPIES_IN_A_ROW;
    // The first word is left out: in Rust no pointer to it is valid.
    let mut at = 8;
    let mut found = 0;
    while at + run <= end {
        if is_run(at, run, pattern) {
            found += 1;
            at += run;
        } else {
            at += 1;
        }
    }
    found
}

fn is_run(at: usize, run: usize, pattern: &[u8]) -> bool {
    (0..run).all(|offset| byte(at + offset) == pattern[offset % pattern.len()])
}

fn byte(address: usize) -> u8 {
    // SAFETY: the address is inside of linear memory, all of which is readable, and bytes have no
    // invalid values. No other thread writes to it.
    unsafe { std::ptr::with_exposed_provenance::<u8>(address).read_volatile() }
}
