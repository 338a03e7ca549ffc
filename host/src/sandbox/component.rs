//! From a file to a checked component: what is not one is refused with what it is in its place.

use super::shape::Shape;
use crate::digest::Digest;
use bytesize::ByteSize;
use std::io::Read;
use std::path::Path;
use std::{fs, io};
use wasmtime::Engine;

/// The largest component file that is read.
const COMPONENT_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// The first eight bytes of a component and of a core module.
/// <https://github.com/WebAssembly/component-model/blob/main/design/mvp/Binary.md>
const COMPONENT_PREAMBLE: &[u8] = b"\0asm\x0d\0\x01\0";
const CORE_MODULE_PREAMBLE: &[u8] = b"\0asm\x01\0\0\0";

/// Why a component cannot be served: who erred, what was found, and how to mend it.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each message says what its variant means")]
pub enum LoadError {
    #[error("cannot read the file")]
    Unreadable(#[source] io::Error),
    #[error("the file is larger than {}, the most that is read", ByteSize(COMPONENT_BYTES_MAX))]
    TooLarge,
    #[error("the file is empty; expected a WebAssembly component")]
    Empty,
    #[error(
        "this is a core module, not a component: build for wasm32-wasip2, or wrap it with `wasm-tools component new`"
    )]
    CoreModule,
    #[error(
        "this is compiled code (.cwasm), which is never loaded because it cannot be checked: serve the .wasm it was made from"
    )]
    Precompiled,
    #[error("this is WebAssembly text, not a binary component: turn it into one with `wasm-tools parse`")]
    WasmText,
    #[error("this is a text file, not a WebAssembly component")]
    Text,
    #[error("this is not a WebAssembly component (it begins with {0})")]
    Unknown(String),
    #[error("the component is broken at byte {offset}, probably truncated or damaged: {what}")]
    Broken { offset: u64, what: String },
    #[error("the component is not valid: {0}")]
    Invalid(String),
    #[error("the component uses what this host does not support: {0}")]
    Unsupported(String),
    #[error("the component is too complex: {0}")]
    TooComplex(String),
    #[error("the component needs too much to run: {0}")]
    NeedsTooMuch(String),
    #[error("compiling the component was given up: {0}")]
    CompileLimit(String),
    #[error("the compiler failed on the component, which costs nobody else anything: {0}")]
    CompileFailed(String),
    #[error("cannot run the compiler, which is a process of its own")]
    NoCompiler(#[source] io::Error),
    #[error("the component does not fit into an instance of this host")]
    Unfit(#[source] wasmtime::Error),
    #[error(
        "the component needs {} of memory to start, and `memory` allows {}: raise `--memory`",
        ByteSize(*needed), ByteSize(*allowed)
    )]
    MemoryMinimum { needed: u64, allowed: u64 },
    #[error(
        "the component needs {needed}, and this host was laid out for {there_is} when it started: start it anew \
         with this component among its handlers"
    )]
    Room { needed: Shape, there_is: Shape },
    #[error(
        "the component needs an engine of another kind, and this host has mappings and address space for {0}: \
         start it anew with this component among its handlers, or with fewer `--instances`"
    )]
    Engines(u32),
    #[error(
        "code for computing (`code-profile`) takes address space and mappings which this machine does not have beside \
         those of `instances`, `max-streams` and `memory`: lower one of these, or serve it with `latency`"
    )]
    NoGuards,
    #[error(
        "the cache of compiled code has not kept the component; with `code-profile` set to `compute` it is compiled for \
         computing when it is loaded"
    )]
    NotKept,
    #[error("cannot set up the sandbox")]
    Engine(#[source] wasmtime::Error),
    #[error(
        "the component exports neither wasi:http/incoming-handler@0.2 nor wasi:http/handler@0.3, so it cannot answer \
         requests; it exports {exports}{hint}"
    )]
    NoHandler { exports: String, hint: &'static str },
    #[error(
        "the component imports what this host does not provide: {0}; a handler may import wasi:cli, clocks, \
         filesystem, http, io, random and sockets at version 0.2, and if it exports wasi:http/handler@0.3, at 0.3, too"
    )]
    Ungranted(String),
    #[error("the component does not fit the interfaces of this host")]
    Link(#[source] wasmtime::Error),
}

/// Reads a file that is said to be a component; nothing looks at its bytes yet.
///
/// # Errors
/// Where it cannot be read, or is larger than any component.
pub fn read_component(path: &Path) -> Result<Vec<u8>, LoadError> {
    let file = fs::File::open(path).map_err(LoadError::Unreadable)?;
    // What a pipe has, or a file that grows, is not known before.
    let length = file.metadata().map_or(0, |found| found.len()).min(COMPONENT_BYTES_MAX);
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    file.take(COMPONENT_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(LoadError::Unreadable)?;
    if bytes.len() as u64 > COMPONENT_BYTES_MAX {
        return Err(LoadError::TooLarge);
    }
    Ok(bytes)
}

impl LoadError {
    /// Whether the host, or its machine, is at fault, and not the component.
    pub fn is_hosts(&self) -> bool {
        matches!(self, Self::Engine(_) | Self::NoCompiler(_))
    }

    /// The reason in a word, for programs. A word stays what it is; new ones may come.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Unreadable(_) | Self::NotKept => "unreadable",
            Self::TooLarge => "too_large",
            Self::Empty
            | Self::CoreModule
            | Self::WasmText
            | Self::Text
            | Self::Unknown(_)
            | Self::Broken { .. }
            | Self::Invalid(_) => "invalid_wasm",
            Self::Precompiled => "precompiled",
            Self::Unsupported(_) => "unsupported",
            Self::TooComplex(_) => "too_complex",
            Self::CompileLimit(_) => "compile_limit",
            Self::CompileFailed(_) => "compile_failed",
            Self::NeedsTooMuch(_)
            | Self::MemoryMinimum { .. }
            | Self::Room { .. }
            | Self::Engines(_)
            | Self::NoGuards
            | Self::Unfit(_) => "needs_too_much",
            Self::NoHandler { .. } => "no_handler",
            Self::Ungranted(_) => "not_granted",
            Self::Link(_) => "not_linkable",
            Self::Engine(_) | Self::NoCompiler(_) => "host_failure",
        }
    }
}

/// A component's bytes that have passed every check that needs no engine.
pub struct Checked {
    pub(super) bytes: Vec<u8>,
    pub(super) digest: Digest,
    pub(super) shape: Shape,
}

impl Checked {
    /// Checks bytes, wherever they come from.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, LoadError> {
        check_kind(&bytes)?;
        let shape = Shape::read(&bytes)?;
        Ok(Self { digest: Digest::of(&bytes), bytes, shape })
    }

    /// The SHA-256 of the bytes.
    pub fn digest(&self) -> Digest {
        self.digest
    }
}

/// Whether bytes begin as a component does; what they are where they do not.
pub(super) fn check_kind(bytes: &[u8]) -> Result<(), LoadError> {
    if bytes.starts_with(COMPONENT_PREAMBLE) {
        return Ok(());
    }
    Err(if bytes.is_empty() {
        LoadError::Empty
    } else if bytes.starts_with(CORE_MODULE_PREAMBLE) {
        LoadError::CoreModule
    } else if Engine::detect_precompiled(bytes).is_some() {
        LoadError::Precompiled
    } else if COMPONENT_PREAMBLE.starts_with(bytes) {
        LoadError::Broken { offset: bytes.len() as u64, what: "unexpected end-of-file".to_owned() }
    } else if let Ok(text) = std::str::from_utf8(bytes)
        && !text.contains('\0')
    {
        let text = text.trim_start();
        if text.starts_with("(component") || text.starts_with("(module") {
            LoadError::WasmText
        } else {
            LoadError::Text
        }
    } else {
        let start = &bytes[..bytes.len().min(8)];
        LoadError::Unknown(start.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(bytes: &[u8]) -> String {
        match Checked::from_bytes(bytes.to_vec()) {
            Ok(_) => "accepted".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn each_kind_of_wrong_file_has_its_own_message() {
        let module = wat::parse_str("(module)").expect("test module");
        let kinds: [(&[u8], &str); 7] = [
            (b"", "empty"),
            (&module, "core module"),
            (b"\0asm\x0d", "broken at byte 5"),
            (b"(component)", "WebAssembly text"),
            (b"hello", "text file"),
            (b"\x89PNG\r\n\x1a\n", "89 50 4e 47"),
            (b"\0asm\x0d\0\x01\0", "accepted"),
        ];
        for (bytes, message) in kinds {
            assert!(refusal(bytes).contains(message), "{bytes:?}: {}", refusal(bytes));
        }
    }
}
