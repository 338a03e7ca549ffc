//! Where a component comes from, as it is written: a file, or a reference to a registry.

use crate::registry::{BadReference, Reference, SCHEME};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where a component comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ComponentSource {
    /// The welcome handler inside the program.
    BuiltIn,
    /// This file. Nothing is known of it yet, but that it exists where it is a handler's.
    File(PathBuf),
    /// What this stands for in a registry; a tag may stand for something else the next time.
    Registry(Reference),
    /// This version of a deployment, by its name.
    Deployed(Arc<str>),
}

impl ComponentSource {
    /// Reads what is written: a path is relative to `base`.
    ///
    /// # Errors
    /// Where it looks like a reference and is none.
    pub(super) fn read(written: &Path, base: &Path) -> Result<Self, BadReference> {
        match written.to_str().filter(|text| text.starts_with(SCHEME)) {
            Some(reference) => reference.parse().map(Self::Registry),
            None => Ok(Self::File(base.join(written))),
        }
    }

    /// What it is, for a message.
    pub fn shown(&self) -> String {
        match self {
            Self::BuiltIn => "the built-in welcome handler".to_owned(),
            Self::File(path) => path.display().to_string(),
            Self::Registry(reference) => reference.to_string(),
            Self::Deployed(version) => format!("version {}", version.get(..12).unwrap_or(version)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_told_from_paths() {
        let read = |text: &str| ComponentSource::read(Path::new(text), Path::new("conf"));
        assert_eq!(read("app.wasm"), Ok(ComponentSource::File("conf/app.wasm".into())));
        assert_eq!(read("/srv/app.wasm"), Ok(ComponentSource::File("/srv/app.wasm".into())));
        assert_eq!(read("./oci:/a"), Ok(ComponentSource::File("conf/./oci:/a".into())));
        assert_eq!(
            read("oci://a.example/b:1").map(|source| source.shown()),
            Ok("oci://a.example/b:1".into())
        );
        assert!(read("oci://a.example").is_err());
    }
}
