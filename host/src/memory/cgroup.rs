//! The control groups that limit this process: its own and all above it, of version 2 (cgroup-v2.rst)
//! or 1 (cgroup-v1/memory.rst). In a container the path may not exist below the mount, which then is
//! the container's own group.

use super::{Usage, field};
use std::fs;
use std::path::{Component, Path, PathBuf};

/// Groups that are looked at, from the process's own upwards.
const GROUPS_MAX: usize = 16;

/// What a version calls its files.
#[derive(Debug)]
struct Names {
    limit: &'static str,
    usage: &'static str,
    /// In `memory.stat`: the page cache that the kernel drops first, which is nobody's need.
    reclaimable: &'static str,
}

const VERSION_2: Names =
    Names { limit: "memory.max", usage: "memory.current", reclaimable: "inactive_file " };
const VERSION_1: Names = Names {
    limit: "memory.limit_in_bytes",
    usage: "memory.usage_in_bytes",
    reclaimable: "total_inactive_file ",
};

/// One group.
#[derive(Debug)]
pub(super) struct Group {
    directory: PathBuf,
    names: &'static Names,
}

impl Group {
    /// Its limit, if it has one; asked anew each time, since an operator may change it.
    pub(super) fn limit_bytes(&self) -> Option<u64> {
        fs::read_to_string(self.directory.join(self.names.limit)).ok()?.trim().parse().ok()
    }

    /// What is taken of its limit, without the cache that can be dropped.
    pub(super) fn usage(&self) -> Option<Usage> {
        let limit_bytes = self.limit_bytes()?;
        let usage = fs::read_to_string(self.directory.join(self.names.usage)).ok()?;
        let stat = fs::read_to_string(self.directory.join("memory.stat")).unwrap_or_default();
        let reclaimable = field(&stat, self.names.reclaimable).unwrap_or(0);
        Some(Usage { used_bytes: usage.trim().parse::<u64>().ok()?.saturating_sub(reclaimable), limit_bytes })
    }
}

/// The groups of this process that can have a limit, from its own upwards.
pub(super) fn groups(root: &Path) -> Vec<Group> {
    let text = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    // Both versions may be mounted; the memory controller belongs to one of them.
    let lines = text.lines().filter_map(|line| {
        let (_, rest) = line.split_once(':')?;
        rest.split_once(':')
    });
    lines
        .filter_map(|(controllers, path)| match controllers {
            "" => Some((root.join("sys/fs/cgroup"), &VERSION_2, path)),
            _ if controllers.split(',').any(|name| name == "memory") => {
                Some((root.join("sys/fs/cgroup/memory"), &VERSION_1, path))
            }
            _ => None,
        })
        .flat_map(|(mount, names, path)| upwards(mount, path).map(|directory| Group { directory, names }))
        .filter(|group| group.directory.join(group.names.limit).is_file())
        .take(GROUPS_MAX)
        .collect()
}

/// The directories from `path` below `mount` up to `mount` itself.
fn upwards(mount: PathBuf, path: &str) -> impl Iterator<Item = PathBuf> {
    let parts: Vec<_> = Path::new(path)
        .components()
        // `..` leads to groups above the namespace, which cannot be seen from here.
        .filter_map(|part| if let Component::Normal(name) = part { Some(name.to_owned()) } else { None })
        .collect();
    (0..=parts.len())
        .rev()
        .map(move |count| parts[..count].iter().fold(mount.clone(), |path, part| path.join(part)))
}
