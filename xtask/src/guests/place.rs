//! Putting a finished component where it is looked for: whole, or not at all.

use std::path::{Path, PathBuf};
use std::{fs, io, process};

use anyhow::{Context, Result};

/// Makes `to` the same as `from`, and says whether it was not. A reader of `to` sees the old file or
/// the new one. A file that stays the same is not touched, so nothing is compiled again for it.
///
/// # Errors
///
/// Where `from` cannot be read or `to` cannot be written.
pub(crate) fn place(from: &Path, to: &Path) -> Result<bool> {
    let bytes = fs::read(from).with_context(|| format!("reading {}", from.display()))?;
    if fs::read(to).is_ok_and(|there| there == bytes) {
        return Ok(false);
    }
    replace(to, &bytes).with_context(|| format!("writing {}", to.display()))?;
    Ok(true)
}

fn replace(to: &Path, bytes: &[u8]) -> io::Result<()> {
    // Beside it, as a rename is atomic only within a file system.
    let mut beside = to.as_os_str().to_owned();
    beside.push(format!(".{}.tmp", process::id()));
    let beside = PathBuf::from(beside);
    let written = fs::write(&beside, bytes).and_then(|()| fs::rename(&beside, to));
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_bytes_are_not_placed_again() {
        let directory = std::env::temp_dir().join(format!("xtask-place-{}", process::id()));
        fs::create_dir_all(&directory).expect("directory");
        let (from, to) = (directory.join("from"), directory.join("to"));
        fs::write(&from, "one").expect("from");
        assert!(place(&from, &to).expect("place"));
        assert!(!place(&from, &to).expect("place"));
        fs::write(&from, "two").expect("from");
        assert!(place(&from, &to).expect("place"));
        assert_eq!(fs::read(&to).expect("to"), b"two");
        assert_eq!(fs::read_dir(&directory).expect("directory").count(), 2, "nothing is left over");
        fs::remove_dir_all(&directory).expect("directory");
    }
}
