//! How much memory there is and how much of it is taken: of the control group this process is in, else
//! of the machine. Read from files, and never by asking the allocator.

mod cgroup;

use cgroup::{Group, groups};
use std::fs;
use std::path::{Path, PathBuf};

/// The places where the system tells.
#[derive(Debug)]
pub struct Memory {
    /// The process's group and those above it, none where nothing is limited by groups.
    groups: Vec<Group>,
    meminfo: PathBuf,
    max_map_count: PathBuf,
}

/// What is taken of what there is, in bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Usage {
    /// What is taken and cannot be had back for the asking.
    pub used_bytes: u64,
    /// What there is.
    pub limit_bytes: u64,
}

impl Memory {
    /// This process's.
    pub fn here() -> Self {
        fail::fail_point!("memory_root", |root| Self::below(Path::new(&root.unwrap_or_default())));
        Self::below(Path::new("/"))
    }

    /// What the files below `root` tell, which has a `proc` and a `sys`.
    pub fn below(root: &Path) -> Self {
        Self {
            groups: groups(root),
            meminfo: root.join("proc/meminfo"),
            max_map_count: root.join("proc/sys/vm/max_map_count"),
        }
    }

    /// What this process and its neighbours may take together: the lowest limit of its groups, or the
    /// machine's whole memory. None where nobody tells.
    pub fn limit_bytes(&self) -> Option<u64> {
        let machine = self.machine().map(|usage| usage.limit_bytes);
        self.groups.iter().filter_map(Group::limit_bytes).chain(machine).min()
    }

    /// The usage that is closest to its limit; the machine's own counts where no group has a limit below
    /// the machine's memory. None where nobody tells.
    pub fn usage(&self) -> Option<Usage> {
        let machine = self.machine();
        let all = machine.map_or(u64::MAX, |usage| usage.limit_bytes);
        let groups = self.groups.iter().filter_map(Group::usage).filter(|usage| usage.limit_bytes < all);
        groups.max_by_key(Usage::permille).or(machine)
    }

    /// Mappings that a process may have (`vm.max_map_count` of sysctl/vm.rst). None where nobody tells.
    pub fn maps_max(&self) -> Option<u64> {
        fs::read_to_string(&self.max_map_count).ok()?.trim().parse().ok()
    }

    fn machine(&self) -> Option<Usage> {
        let text = fs::read_to_string(&self.meminfo).ok()?;
        let bytes = |name| Some(field(&text, name)?.saturating_mul(1024));
        let limit_bytes = bytes("MemTotal:")?;
        Some(Usage { used_bytes: limit_bytes.saturating_sub(bytes("MemAvailable:")?), limit_bytes })
    }
}

impl Usage {
    /// The part that is taken, in thousandths.
    pub fn permille(&self) -> u64 {
        let thousandths = u128::from(self.used_bytes) * 1000 / u128::from(self.limit_bytes.max(1));
        u64::try_from(thousandths).unwrap_or(u64::MAX)
    }
}

/// The number in the line that begins with `name`.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    /// A root with these files.
    fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a directory");
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("below the root")).expect("a directory");
            fs::write(path, text).expect("a file");
        }
        root
    }

    const MACHINE: (&str, &str) =
        ("proc/meminfo", "MemTotal:        8388608 kB\nMemFree: 1 kB\nMemAvailable:    6291456 kB\n");

    #[track_caller]
    fn check(files: &[(&str, &str)], limit_bytes: Option<u64>, usage: Option<(u64, u64)>) {
        let root = root(files);
        let memory = Memory::below(root.path());
        assert_eq!(memory.limit_bytes(), limit_bytes);
        assert_eq!(memory.usage().map(|usage| (usage.used_bytes, usage.limit_bytes)), usage);
    }

    #[test]
    fn machine_counts_where_no_group_has_a_limit() {
        check(&[MACHINE], Some(8 * GIB), Some((2 * GIB, 8 * GIB)));
        let unlimited = [MACHINE, ("proc/self/cgroup", "0::/a\n"), ("sys/fs/cgroup/a/memory.max", "max\n")];
        check(&unlimited, Some(8 * GIB), Some((2 * GIB, 8 * GIB)));
        check(&[], None, None);
    }

    #[test]
    fn lowest_limit_above_a_process_is_its_limit_and_the_fullest_counts() {
        let files = [
            MACHINE,
            ("proc/self/cgroup", "0::/slice/service\n"),
            ("sys/fs/cgroup/slice/memory.max", "2147483648\n"),
            ("sys/fs/cgroup/slice/memory.current", "2000000000\n"),
            ("sys/fs/cgroup/slice/memory.stat", "anon 1\ninactive_file 500000000\n"),
            ("sys/fs/cgroup/slice/service/memory.max", "1073741824\n"),
            ("sys/fs/cgroup/slice/service/memory.current", "300000000\n"),
            ("sys/fs/cgroup/slice/service/memory.stat", "inactive_file 0\n"),
        ];
        check(&files, Some(GIB), Some((1_500_000_000, 2 * GIB)));
    }

    #[test]
    fn groups_of_the_first_version_count_as_well() {
        let files = [
            MACHINE,
            ("proc/self/cgroup", "9:name=systemd:/\n4:memory,hugetlb:/not/in/this/mount\n0::/\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "536870912\n"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "400000000\n"),
            ("sys/fs/cgroup/memory/memory.stat", "inactive_file 7\ntotal_inactive_file 100000000\n"),
        ];
        check(&files, Some(GIB / 2), Some((300_000_000, GIB / 2)));
    }

    #[test]
    fn limits_above_the_machines_memory_are_none() {
        let files = [
            MACHINE,
            ("proc/self/cgroup", "4:memory:/\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "1\n"),
        ];
        check(&files, Some(8 * GIB), Some((2 * GIB, 8 * GIB)));
    }

    #[test]
    fn nonsense_in_the_files_is_no_limit() {
        let files = [
            ("proc/meminfo", "MemTotal: lots\n"),
            ("proc/self/cgroup", "::\n0::/../../etc\nx\n"),
            ("sys/fs/cgroup/memory.max", "-1\n"),
        ];
        check(&files, None, None);
    }
}
