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

/// A process that another one has started.
#[derive(Clone, Debug)]
pub struct ChildProcess {
    pub pid: u32,
    /// `SCHED_OTHER` is 0 and `SCHED_IDLE` 5 (sched(7)).
    pub policy: u32,
    pub nice: i64,
}

impl ChildProcess {
    /// The living processes that `parent` has started.
    pub fn of(parent: u32) -> Vec<Self> {
        let all = fs::read_dir("/proc").expect("a Linux system");
        let pids = all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        pids.filter_map(|pid| Self::read(pid, parent)).collect()
    }

    fn read(pid: u32, parent: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // proc_pid_stat(5): the state is field 3; the second one is a name in brackets.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let field = |number: usize| fields.get(number - 3).copied();
        let lives = !matches!(field(3), Some("Z" | "X"));
        let is_child = field(4)?.parse::<u32>().ok()? == parent;
        let (nice, policy) = (field(19)?.parse().ok()?, field(41)?.parse().ok()?);
        (lives && is_child).then_some(Self { pid, policy, nice })
    }

    /// Whether it is still there.
    pub fn lives(&self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap_or_default();
        stat.rsplit_once(')').is_some_and(|(_, rest)| !matches!(rest.trim().chars().next(), Some('Z' | 'X')))
    }

    /// What its descriptors stand for.
    pub fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(format!("/proc/{}/fd", self.pid)).into_iter().flatten();
        let target = |entry: fs::DirEntry| fs::read_link(entry.path()).ok();
        let targets = entries.filter_map(|entry| target(entry.ok()?));
        targets.map(|target| target.to_string_lossy().into_owned()).collect()
    }

    /// What `/proc` has under this name, as text.
    pub fn proc(&self, name: &str) -> String {
        let bytes = fs::read(format!("/proc/{}/{name}", self.pid)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
