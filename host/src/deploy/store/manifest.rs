//! The manifest: what is deployed, in one small file that is replaced as a whole.

use crate::deploy::deployment::Deployment;
use crate::deploy::version::{VersionId, canonical};
use crate::digest::Digest;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How the file is laid out; another number is another program's.
const FORMAT: u32 = 1;

/// Everything that is deployed.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Grows with every change to any handler.
    pub generation: u64,
    /// The deployments by the names of their handlers.
    pub handlers: BTreeMap<String, Deployment>,
}

/// The file: the manifest and what tells that it is whole.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    format: u32,
    manifest: Manifest,
    /// Of the manifest's canonical text.
    sha256: Digest,
}

impl Manifest {
    /// The versions that any deployment has in its history.
    pub fn versions(&self) -> BTreeSet<VersionId> {
        self.handlers.values().flat_map(|state| &state.versions).map(|deployed| deployed.id).collect()
    }

    /// What is written to the file.
    pub(super) fn seal(&self) -> Vec<u8> {
        let sealed = Sealed { format: FORMAT, manifest: self.clone(), sha256: self.digest() };
        let text = serde_json::to_string_pretty(&sealed).expect("a manifest: text keys, and plain values");
        (text + "\n").into_bytes()
    }

    /// Reads the file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn unseal(bytes: &[u8]) -> Result<Self, String> {
        let sealed: Sealed = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if sealed.format != FORMAT {
            let found = sealed.format;
            return Err(format!("it has the format {found}, and this program writes {FORMAT}"));
        }
        if sealed.manifest.digest() != sealed.sha256 {
            return Err("it was changed: its digest is another".to_owned());
        }
        Ok(sealed.manifest)
    }

    fn digest(&self) -> Digest {
        let value = serde_json::to_value(self).expect("a manifest: text keys, and plain values");
        Digest::of(canonical(&value).as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::deployment::Change;

    fn manifest() -> Manifest {
        let version = VersionId(Digest::of(b"a"));
        let state = Deployment::after(None, &Change::Deploy(version), 7, 1_700_000_000_000, 10);
        let state = state.expect("a deployment").expect("a first one");
        Manifest { generation: 7, handlers: [("hello".to_owned(), state)].into() }
    }

    #[test]
    fn what_was_sealed_is_read_and_what_was_changed_is_not() {
        let bytes = manifest().seal();
        assert_eq!(Manifest::unseal(&bytes), Ok(manifest()));
        for place in 0..bytes.len() {
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[place] ^= 1 << bit;
                match Manifest::unseal(&flipped) {
                    Err(_) => {}
                    // Space is space.
                    Ok(read) => assert_eq!(read, manifest(), "byte {place}, bit {bit}"),
                }
            }
            assert!(place + 1 == bytes.len() || Manifest::unseal(&bytes[..place]).is_err(), "{place}");
        }
    }
}
