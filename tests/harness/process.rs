//! What a process holds, and what its threads do, as Linux tells.

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

/// One thread of a process.
#[derive(Clone, Debug)]
pub struct ThreadUse {
    pub name: String,
    /// CPU time that it has used, in hundredths of a second.
    pub cpu_ticks: u64,
    /// The cores that it may run on, as `0-1`.
    pub cores: String,
}

impl ThreadUse {
    /// Every thread of the process.
    #[track_caller]
    pub fn of(pid: u32) -> Vec<Self> {
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("the process lives");
        // A thread that ends meanwhile is none of it.
        tasks.filter_map(|task| Self::read(&task.ok()?.path())).collect()
    }

    fn read(task: &std::path::Path) -> Option<Self> {
        let name = fs::read_to_string(task.join("comm")).ok()?.trim().to_owned();
        let stat = fs::read_to_string(task.join("stat")).ok()?;
        // proc_pid_stat(5): fields 14 and 15; the second one is a name in brackets.
        let mut times = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
        let cpu_ticks = times.next()?.parse::<u64>().ok()? + times.next()?.parse::<u64>().ok()?;
        let status = fs::read_to_string(task.join("status")).ok()?;
        let cores =
            status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?.trim().to_owned();
        Some(Self { name, cpu_ticks, cores })
    }
}
