//! Why a component's signature is not good enough, or a key cannot be used: who erred and how to mend it.

use super::KeyId;
use crate::digest::Digest;
use std::io;
use std::path::PathBuf;

/// Why a signature cannot be made, or is refused.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each message says what its variant means")]
pub enum SignatureError {
    #[error("{} cannot be read", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{} cannot be written", path.display())]
    Unwritable { path: PathBuf, source: io::Error },
    #[error(
        "{} holds no ed25519 public key: expected a PEM file with `BEGIN PUBLIC KEY`, as `wasm-host keygen` and \
         `openssl pkey -pubout` write it",
        path.display()
    )]
    NoPublicKey { path: PathBuf },
    #[error(
        "{} holds no ed25519 private key: expected a PEM file with `BEGIN PRIVATE KEY` (PKCS#8, not encrypted), as \
         `wasm-host keygen` and `openssl genpkey -algorithm ed25519` write it",
        path.display()
    )]
    NoSecretKey { path: PathBuf },
    #[error(
        "{} may be read by others (mode {mode:o}): take that right away with `chmod 600`, and make a new key if \
         it was used",
        path.display()
    )]
    ExposedKey { path: PathBuf, mode: u32 },
    #[error("the system gives no random bytes to make a key of")]
    NoRandomness,
    #[error(
        "it has no signature, and `require-signature` asks for one: sign it with `wasm-host sign`, which writes \
         its signature beside it as FILE.sig (`wasm-host push` takes it along)"
    )]
    Missing,
    #[error("its signatures cannot be read: {0}; write them anew with `wasm-host sign`")]
    Malformed(String),
    #[error("its signatures are for another component, {signed}; this one is {found}: sign it anew")]
    OtherComponent { signed: Digest, found: Digest },
    #[error(
        "it is signed by {}, and accepted are only {}: sign it with one of these keys, or add that key's public \
         half to `require-signature`",
        listed(signed_by),
        listed(accepted)
    )]
    UnknownKey { signed_by: Vec<KeyId>, accepted: Vec<KeyId> },
    #[error(
        "its signature by key {0} is false: the component or the signature was changed after it was signed"
    )]
    False(KeyId),
}

fn listed(keys: &[KeyId]) -> String {
    match keys {
        [] => "nobody".to_owned(),
        [key] => format!("key {key}"),
        _ => format!("keys {}", keys.iter().map(KeyId::to_string).collect::<Vec<_>>().join(", ")),
    }
}
