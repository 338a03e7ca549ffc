//! Which core an executor thread stays on, where the host is told to pin its threads. The three
//! threads of one shard share a core, so that the kernel chooses among them there.

/// Cores that this process may use; none leaves the choice to the kernel.
pub(super) struct Cores(Vec<usize>);

impl Cores {
    /// Whichever the kernel chooses, and other ones later.
    pub(super) fn any() -> Self {
        Self(Vec::new())
    }

    /// Those that this process may use now.
    #[cfg(target_os = "linux")]
    pub(super) fn allowed() -> Self {
        use rustix::thread::{CpuSet, sched_getaffinity};
        match sched_getaffinity(None) {
            Ok(set) => Self((0..CpuSet::MAX_CPU).filter(|&core| set.is_set(core)).collect()),
            Err(error) => {
                tracing::warn!(%error, "threads are not pinned: the system does not tell its cores");
                Self::any()
            }
        }
    }

    /// Elsewhere threads cannot be pinned without unsafe code.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn allowed() -> Self {
        tracing::warn!("threads are not pinned: not on this system");
        Self::any()
    }

    /// The core of a shard: where there are more shards than cores, some share one.
    pub(super) fn of(&self, shard: usize) -> Option<usize> {
        match self.0.len() {
            0 => None,
            count => Some(self.0[shard % count]),
        }
    }
}

/// Keeps the calling thread on `core`. Without it the thread works all the same.
#[cfg(target_os = "linux")]
pub(super) fn pin(core: usize) {
    let mut set = rustix::thread::CpuSet::new();
    set.set(core);
    if let Err(error) = rustix::thread::sched_setaffinity(None, &set) {
        tracing::warn!(core, %error, "a thread is not pinned");
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn pin(_core: usize) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_go_round_the_cores() {
        let cores = Cores(vec![1, 3]);
        assert_eq!([0, 1, 2, 3].map(|shard| cores.of(shard)), [1, 3, 1, 3].map(Some));
        assert_eq!(Cores::any().of(1), None);
    }
}
