//! Whether a slow build would make anything else than what is there: a hash of all that goes into it,
//! kept beside what came out.
//!
//! Contents and not times, so that a fresh checkout or a switched branch builds nothing twice.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The inputs of a build, as one number. It tells apart what differs by accident, which is all that a
/// build has to fear.
pub(crate) struct Stamp {
    path: PathBuf,
    text: String,
}

impl Stamp {
    /// Reads all `inputs`, which are files or directories. The stamp is kept at `path`.
    ///
    /// # Errors
    ///
    /// Where an input cannot be read.
    pub(crate) fn read(path: PathBuf, inputs: &[PathBuf]) -> Result<Self> {
        let mut hasher = DefaultHasher::new();
        for input in inputs {
            hash(input, &mut hasher).with_context(|| format!("reading {}", input.display()))?;
        }
        Ok(Self { path, text: format!("{:016x}\n", hasher.finish()) })
    }

    /// Whether the last build that was recorded had the same inputs, and `output` is still there.
    pub(crate) fn is_current(&self, output: &Path) -> bool {
        output.exists() && fs::read_to_string(&self.path).is_ok_and(|text| text == self.text)
    }

    /// Forgets the last build: what is there is about to change.
    ///
    /// # Errors
    ///
    /// Where the stamp is there and cannot be removed.
    pub(crate) fn forget(&self) -> Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("removing {}", self.path.display()))
            }
            _ => Ok(()),
        }
    }

    /// Records that the build is done. To be called last, as a build that is cut off has no stamp.
    ///
    /// # Errors
    ///
    /// Where the stamp cannot be written.
    pub(crate) fn record(&self) -> Result<()> {
        fs::write(&self.path, &self.text).with_context(|| format!("writing {}", self.path.display()))
    }
}

fn hash(input: &Path, hasher: &mut DefaultHasher) -> std::io::Result<()> {
    input.file_name().hash(hasher);
    if !input.is_dir() {
        fs::read(input)?.hash(hasher);
        return Ok(());
    }
    let mut entries: Vec<_> =
        fs::read_dir(input)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    entries.sort();
    entries.len().hash(hasher);
    entries.iter().try_for_each(|entry| hash(entry, hasher))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamp_follows_contents() {
        let directory = std::env::temp_dir().join(format!("xtask-stamp-{}", std::process::id()));
        let input = directory.join("input");
        fs::create_dir_all(&input).expect("directory");
        fs::write(input.join("a"), "a").expect("a");
        let output = directory.join("output");
        let read = || Stamp::read(directory.join("stamp"), std::slice::from_ref(&input)).expect("stamp");

        assert!(!read().is_current(&output), "there is neither output nor stamp");
        fs::write(&output, "").expect("output");
        read().record().expect("record");
        assert!(read().is_current(&output));
        fs::write(input.join("b"), "b").expect("b");
        assert!(!read().is_current(&output), "there is a new input");
        fs::remove_file(input.join("b")).expect("b");
        assert!(read().is_current(&output), "the inputs are the old ones again");
        read().forget().expect("forget");
        assert!(!read().is_current(&output));
        fs::remove_dir_all(&directory).expect("directory");
    }
}
