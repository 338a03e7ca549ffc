//! The file that holds a component's signatures: JSON beside the component, as `FILE.sig`. Several keys may
//! sign, so that a key can be replaced without a moment in which nobody is trusted.

use super::{KeyId, SecretKey, SignatureError};
use crate::digest::Digest;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// Bytes of a file of signatures.
pub const SIGNATURES_BYTES_MAX: usize = 64 * 1024;
/// Signatures in one file.
const SIGNATURES_MAX: usize = 16;
const FORMAT: &str = "wasm-host-signatures-v1";
const ALGORITHM: &str = "ed25519";

/// The signatures of one component.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Signatures {
    component: Digest,
    by: Vec<Signature>,
}

/// One key's signature.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Signature {
    pub(super) key: KeyId,
    pub(super) bytes: Vec<u8>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format: String,
    digest: String,
    signatures: Vec<Entry>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    algorithm: String,
    key: String,
    signature: String,
}

impl Signatures {
    /// None yet for the component of this digest.
    pub fn none(component: Digest) -> Self {
        Self { component, by: Vec::new() }
    }

    /// Reads a file of signatures; whether they are true is another question.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn parse(text: &[u8]) -> Result<Self, SignatureError> {
        let malformed = |what: &str| SignatureError::Malformed(what.to_owned());
        if text.len() > SIGNATURES_BYTES_MAX {
            return Err(malformed("they are longer than 64 KiB"));
        }
        let document: Document =
            serde_json::from_slice(text).map_err(|error| SignatureError::Malformed(error.to_string()))?;
        if document.format != FORMAT {
            return Err(malformed("`format` is not `wasm-host-signatures-v1`"));
        }
        if document.signatures.len() > SIGNATURES_MAX {
            return Err(malformed("there are more than 16 of them"));
        }
        let component = document.digest.parse().map_err(|_| malformed("`digest` is not a SHA-256 digest"))?;
        let by = document.signatures.into_iter().map(|entry| {
            if entry.algorithm != ALGORITHM {
                return Err(malformed("`algorithm` is not `ed25519`"));
            }
            let key =
                KeyId::read(&entry.key).ok_or_else(|| malformed("`key` is not 16 hexadecimal digits"))?;
            let bytes = BASE64_STANDARD.decode(&entry.signature);
            let bytes = bytes.map_err(|_| malformed("`signature` is not base64"))?;
            Ok(Signature { key, bytes })
        });
        Ok(Self { component, by: by.collect::<Result<_, _>>()? })
    }

    /// Adds this key's signature, in the place of one that it gave before.
    ///
    /// # Errors
    /// Where the file is full.
    pub fn sign(&mut self, key: &SecretKey) -> Result<(), SignatureError> {
        let id = key.public().id();
        self.by.retain(|signature| signature.key != id);
        if self.by.len() == SIGNATURES_MAX {
            return Err(SignatureError::Malformed("there are 16 of them already".to_owned()));
        }
        self.by.push(Signature { key: id, bytes: key.sign(self.component) });
        Ok(())
    }

    /// The component that they claim to be for.
    pub fn component(&self) -> Digest {
        self.component
    }

    pub(super) fn by(&self) -> &[Signature] {
        &self.by
    }

    /// The file's text.
    pub fn to_text(&self) -> String {
        let entry = |signature: &Signature| Entry {
            algorithm: ALGORITHM.to_owned(),
            key: signature.key.to_string(),
            signature: BASE64_STANDARD.encode(&signature.bytes),
        };
        let document = Document {
            format: FORMAT.to_owned(),
            digest: self.component.to_string(),
            signatures: self.by.iter().map(entry).collect(),
        };
        serde_json::to_string_pretty(&document).expect("a document of strings is JSON") + "\n"
    }

    /// Writes the file whole or not at all.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), SignatureError> {
        let mut new = path.as_os_str().to_owned();
        new.push(format!(".new-{}", std::process::id()));
        let new = PathBuf::from(new);
        let write = || -> io::Result<()> {
            let mut file = File::create(&new)?;
            file.write_all(self.to_text().as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&new, path)
        };
        write().map_err(|source| {
            let _ = std::fs::remove_file(&new);
            SignatureError::Unwritable { path: path.to_owned(), source }
        })
    }
}

/// Where the signatures of the component in this file are: `FILE.sig`.
pub fn beside(component: &Path) -> PathBuf {
    let mut name: OsString = component.into();
    name.push(".sig");
    name.into()
}

/// The signatures beside the component in this file, not yet looked at; none where there is no such file.
///
/// # Errors
/// Where there is one that cannot be read.
pub fn read_beside(component: &Path) -> Result<Option<Vec<u8>>, SignatureError> {
    let path = beside(component);
    let mut text = Vec::new();
    // One byte more than may be there shows that there is too much.
    let limit = SIGNATURES_BYTES_MAX as u64 + 1;
    match File::open(&path).and_then(|file| file.take(limit).read_to_end(&mut text)) {
        Ok(_) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(SignatureError::Unreadable { path, source }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key() -> SecretKey {
        let directory = tempfile::tempdir().unwrap();
        SecretKey::generate(&directory.path().join("k"), &directory.path().join("p")).unwrap()
    }

    #[test]
    fn what_is_written_is_read_alike() {
        let mut signatures = Signatures::none(Digest::of(b"component"));
        signatures.sign(&key()).unwrap();
        signatures.sign(&key()).unwrap();
        let text = signatures.to_text();
        assert_eq!(Signatures::parse(text.as_bytes()).unwrap(), signatures, "{text}");
    }

    #[test]
    fn signing_again_replaces_and_the_seventeenth_key_is_refused() {
        let mut signatures = Signatures::none(Digest::of(b"component"));
        let first = key();
        signatures.sign(&first).unwrap();
        signatures.sign(&first).unwrap();
        assert_eq!(signatures.by.len(), 1);
        for _ in 1..SIGNATURES_MAX {
            signatures.sign(&key()).unwrap();
        }
        assert!(signatures.sign(&key()).is_err());
        assert!(Signatures::parse(signatures.to_text().as_bytes()).is_ok());
    }

    #[test]
    fn each_mistake_of_a_file_is_named() {
        let mut signatures = Signatures::none(Digest::of(b"component"));
        signatures.sign(&key()).unwrap();
        let text = signatures.to_text();
        let entry = text.split_once('[').unwrap().1.split_once(']').unwrap().0;
        for (changed, named) in [
            (text.replace("signatures-v1", "signatures-v2"), "`format`"),
            (text.replace("ed25519", "none"), "`algorithm`"),
            (text.replace("sha256:", "sha512:"), "`digest`"),
            (text.replace("\"key\": \"", "\"key\": \"0"), "`key`"),
            (text.replace("\"signature\": \"", "\"signature\": \"!"), "`signature`"),
            (text.replace("\"digest\"", "\"extra\": 1, \"digest\""), "unknown field `extra`"),
            (text.replace(entry, &[entry; SIGNATURES_MAX + 1].join(",")), "more than 16"),
            (text.clone() + &" ".repeat(SIGNATURES_BYTES_MAX), "64 KiB"),
            (String::new(), "EOF"),
        ] {
            let error = Signatures::parse(changed.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(named), "{named}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Signatures::parse(&bytes);
        }

        #[test]
        fn no_change_of_a_byte_panics(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut text = Signatures {
                component: Digest::of(b""),
                by: vec![Signature { key: KeyId::read("0123456789abcdef").unwrap(), bytes: vec![7; 64] }],
            }
            .to_text()
            .into_bytes();
            let at = at.index(text.len());
            text[at] = byte;
            if let Ok(read) = Signatures::parse(&text) {
                prop_assert_eq!(Signatures::parse(read.to_text().as_bytes()).unwrap(), read);
            }
        }
    }
}
