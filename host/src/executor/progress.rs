//! Where a job is in its life, for those who look from outside: written by whoever holds the job,
//! read by anyone, and never waited for.

use super::class::Class;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering::Relaxed};

/// What a job does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum JobState {
    /// It is ready and waits for a thread.
    Queued,
    /// A thread polls it.
    Running,
    /// It waits for a timer, a socket, or its client.
    Waiting,
}

impl JobState {
    const ALL: [Self; 3] = [Self::Queued, Self::Running, Self::Waiting];

    /// Its name, for people and machines.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Waiting => "waiting",
        }
    }
}

/// A job's state and class. Both are stored by the one who holds the job at that time, so no store
/// overtakes another.
#[derive(Debug, Default)]
pub(super) struct Progress {
    state: AtomicU8,
    class: AtomicUsize,
}

impl Progress {
    /// The job goes to the queue of `class`.
    pub(super) fn queued(&self, class: Class) {
        self.class.store(class.index(), Relaxed);
        self.store(JobState::Queued);
    }

    /// A poll begins.
    pub(super) fn running(&self) {
        self.store(JobState::Running);
    }

    /// A poll has ended and the guest has not. A job that was woken in the middle of its poll is
    /// queued right after this.
    pub(super) fn waiting(&self) {
        self.store(JobState::Waiting);
    }

    pub(super) fn state(&self) -> JobState {
        JobState::ALL[usize::from(self.state.load(Relaxed))]
    }

    /// The class of the queue that the job was last in.
    pub(super) fn class(&self) -> Class {
        Class::ALL[self.class.load(Relaxed)]
    }

    fn store(&self, state: JobState) {
        self.state.store(state as u8, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_read() {
        let progress = Progress::default();
        for class in Class::ALL {
            progress.queued(class);
            assert_eq!((progress.state(), progress.class()), (JobState::Queued, class));
            progress.running();
            assert_eq!((progress.state(), progress.class()), (JobState::Running, class));
            progress.waiting();
            assert_eq!((progress.state(), progress.class()), (JobState::Waiting, class));
        }
    }
}
