//! SHA-256 of half a mebibyte.

use sha2::{Digest as _, Sha256};

use crate::numbers::Numbers;

/// How much is hashed, in numbers of eight bytes.
const NUMBERS: usize = 512 * 1024 / 8;

pub(crate) fn work() -> String {
    let data: Vec<u8> = Numbers::default().take(NUMBERS).flat_map(u64::to_le_bytes).collect();
    let digest: String = Sha256::digest(&data).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("hashed {} bytes: {digest}\n", data.len())
}
