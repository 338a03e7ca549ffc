//! Compiled code becomes a component: the one place where a mistake about where bytes come from would be
//! more than a refusal, and the only unsafe code of this program.

#![allow(
    unsafe_code,
    reason = "wasmtime cannot check compiled code, so whoever loads some has to vouch for it"
)]

use super::compiler::{Source, Vouched};
use wasmtime::Engine;
use wasmtime::component::Component;

/// Loads compiled code. What `engine` cannot run is an error: other settings, another version, too large
/// for its pool.
pub(super) fn load(engine: &Engine, code: &Vouched) -> wasmtime::Result<Component> {
    // SAFETY: the bytes have to be what `Engine::precompile_component` returned, unchanged. A `Vouched` is
    // made in two places only: of what the compiler's process has just written into the pipe that no other
    // process holds an end of, and of a cached file whose HMAC, under a key that only this user can read, was
    // checked over these very bytes. They are copied from memory that nobody else can write to, or mapped from
    // a file in memory that is sealed: the kernel lets nobody write to it, or make it shorter, as long as it lives.
    // Before that only processes of this user could have, which can have the key as well.
    unsafe {
        match code.source() {
            Source::Bytes(bytes) => Component::deserialize(engine, bytes),
            // Where the system lets nobody run what is mapped from such a file, what is copied may be run.
            Source::File(path) => Component::deserialize_file(engine, path)
                .or_else(|_| Component::deserialize(engine, code.bytes()?)),
        }
    }
}
