//! What a process holds, as Linux tells.

use std::fs;

/// Threads, file descriptors and resident memory of a process.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Holdings {
    pub threads: usize,
    pub files: usize,
    pub resident_kib: usize,
}

impl Holdings {
    #[track_caller]
    pub fn of(pid: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process lives");
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a field of status");
            line.trim_matches([':', '\t', ' ', 'k', 'B']).trim().parse().expect("a number")
        };
        let files = fs::read_dir(format!("/proc/{pid}/fd")).expect("the process lives").count();
        Self { threads: field("Threads"), files, resident_kib: field("VmRSS") }
    }
}
