//! Signatures of components: who vouches for the bytes that are to run. They are looked at before
//! anything parses or compiles those bytes. README.md ("Signatures") documents the format.

mod error;
mod file;
mod key;
mod policy;

pub use error::SignatureError;
pub use file::{SIGNATURES_BYTES_MAX, Signatures, beside, read_beside};
pub use key::{KeyId, PublicKey, SecretKey};
pub use policy::Policy;

use crate::digest::Digest;

/// What is signed for a component of this digest. The words before it keep a signature that was made for
/// something else from passing for one of a component, and the other way round.
fn message(component: Digest) -> String {
    format!("wasm-host component signature v1\n{component}\n")
}
