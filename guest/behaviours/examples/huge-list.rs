//! Hands the host a list of `?copies=` values, 1024 by default, of a mebibyte each, which all lie
//! at the same place in its memory: it owns one mebibyte and claims a gibibyte.
//!
//! Claim: what one call makes the host copy is bounded by what the call says, not by how much
//! memory the guest has.

use behaviours::prelude::*;

behaviours::export!(handle);

/// One element of a `list<field-value>` as the canonical ABI lays it out.
#[repr(C)]
#[derive(Clone, Copy)]
struct Slice {
    start: *const u8,
    length: usize,
}

#[link(wasm_import_module = "wasi:http/types@0.2.12")]
unsafe extern "C" {
    // The generated binding takes vectors that each own their bytes, so it could not lie like this.
    #[link_name = "[method]fields.set"]
    fn fields_set(
        fields: u32,
        name: *const u8,
        name_length: usize,
        values: *const Slice,
        values_length: usize,
        result: *mut [u8; 2],
    );
}

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let copies = query_of(&request).number("copies", 1024) as usize;
    let block = vec![b'a'; 1 << 20];
    let slice = Slice { start: block.as_ptr(), length: block.len() };
    let values = vec![slice; copies];
    let fields = Fields::new();
    let name = "x-copies";
    let mut result = [0_u8; 2];
    // SAFETY: every pointer goes with its length and stays valid over the call, which only reads
    // through them all but the last, and writes the two bytes that it points to.
    unsafe {
        fields_set(fields.handle(), name.as_ptr(), name.len(), values.as_ptr(), values.len(), &mut result);
    }
    let verdict = match result[0] {
        0 => "accepted",
        _ => "refused",
    };
    answer(out, 200, &format!("{verdict} {copies}\n"));
}
