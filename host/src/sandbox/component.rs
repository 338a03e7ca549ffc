//! From a file to a checked component: what is not one is refused with what it is in its place.

use super::shape::Shape;
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
    #[error("the component does not compile")]
    Compile(#[source] wasmtime::Error),
    #[error(
        "the component needs {} of memory to start, and `memory` allows {}: raise `--memory`",
        ByteSize(*needed), ByteSize(*allowed)
    )]
    MemoryMinimum { needed: u64, allowed: u64 },
    #[error(
        "the component exports no wasi:http/incoming-handler@0.2, so it cannot answer requests; it exports {exports}{hint}"
    )]
    NoHandler { exports: String, hint: &'static str },
    #[error(
        "the component imports what this host does not provide: {0}; a handler may import wasi:cli, clocks, \
         filesystem, http, io, random and sockets at version 0.2"
    )]
    Ungranted(String),
    #[error("the component does not fit the interfaces of this host")]
    Link(#[source] wasmtime::Error),
}

/// A component's bytes that have passed every check that needs no engine.
pub(super) struct Checked {
    pub(super) bytes: Vec<u8>,
    pub(super) shape: Shape,
}

impl Checked {
    /// Reads and checks a file.
    pub(super) fn from_file(path: &Path) -> Result<Self, LoadError> {
        let file = fs::File::open(path).map_err(LoadError::Unreadable)?;
        let mut bytes = Vec::new();
        file.take(COMPONENT_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(LoadError::Unreadable)?;
        if bytes.len() as u64 > COMPONENT_BYTES_MAX {
            return Err(LoadError::TooLarge);
        }
        Self::from_bytes(bytes)
    }

    /// Checks bytes that are in memory already.
    pub(super) fn from_bytes(bytes: Vec<u8>) -> Result<Self, LoadError> {
        check_kind(&bytes)?;
        let shape = Shape::read(&bytes)?;
        Ok(Self { bytes, shape })
    }
}

fn check_kind(bytes: &[u8]) -> Result<(), LoadError> {
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
