//! Classes of jobs by attained service: how much CPU time a job has used decides which threads poll
//! it, and the kernel does the rest.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::time::Duration;

/// A class of jobs, and of the threads that poll them. A job only ever moves down.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Class {
    /// New jobs, which most leave by ending: normal priority.
    Fresh,
    /// Honest heavy jobs: a lower priority that still has its share when the machine is full.
    Busy,
    /// What is most likely a runaway: only what the others leave.
    Hog,
}

impl Class {
    /// Every class, from the top.
    pub(super) const ALL: [Self; 3] = [Self::Fresh, Self::Busy, Self::Hog];

    /// The name of its threads.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Busy => "busy",
            Self::Hog => "hog",
        }
    }

    /// Its place in a table of classes.
    pub(super) const fn index(self) -> usize {
        match self {
            Self::Fresh => 0,
            Self::Busy => 1,
            Self::Hog => 2,
        }
    }
}

/// The lowest class that a job has been in.
#[derive(Debug, Default)]
pub(super) struct Lowest(AtomicU8);

impl Lowest {
    /// Whether there is nothing further down.
    pub(super) fn is_last(&self) -> bool {
        self.0.load(Relaxed) == Class::Hog as u8
    }

    /// Moves down to `class`, if that is further down; returns where the job is then.
    pub(super) fn lower(&self, class: Class) -> Class {
        let index = self.0.fetch_max(class as u8, Relaxed).max(class as u8);
        Class::ALL[usize::from(index)]
    }
}

/// How much CPU time a job may use in a class before it moves down.
#[derive(Clone, Copy, Debug)]
pub(super) struct Thresholds {
    busy_after_ns: u64,
    hog_after_ns: u64,
}

impl Thresholds {
    pub(super) fn new(busy_after: Duration, hog_after: Duration) -> Self {
        let ns = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        Self { busy_after_ns: ns(busy_after), hog_after_ns: ns(hog_after) }
    }

    /// The class of a job that has used `cpu_ns`, and has `share` of what one alone may
    /// use in `busy`.
    pub(super) fn class(&self, cpu_ns: u64, share: impl FnOnce(u64) -> u64) -> Class {
        if cpu_ns < self.busy_after_ns {
            Class::Fresh
        } else if cpu_ns < share(self.hog_after_ns) {
            Class::Busy
        } else {
            Class::Hog
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_moves_down_at_each_threshold() {
        let thresholds = Thresholds::new(Duration::from_millis(2), Duration::from_secs(1));
        let class = |ms: u64| thresholds.class(ms * 1_000_000, |alone| alone);
        assert_eq!((class(0), class(1)), (Class::Fresh, Class::Fresh));
        assert_eq!((class(2), class(999)), (Class::Busy, Class::Busy));
        assert_eq!(thresholds.class(2_000_000, |alone| alone / 999), Class::Hog);
        assert_eq!((class(1000), class(u64::MAX / 1_000_000)), (Class::Hog, Class::Hog));
    }

    #[test]
    fn a_job_never_moves_up() {
        let lowest = Lowest::default();
        assert_eq!(lowest.lower(Class::Fresh), Class::Fresh);
        assert_eq!(lowest.lower(Class::Hog), Class::Hog);
        assert_eq!(lowest.lower(Class::Busy), Class::Hog);
    }

    #[test]
    fn the_table_of_classes_is_in_order() {
        for (place, class) in Class::ALL.into_iter().enumerate() {
            assert_eq!(class.index(), place);
        }
    }
}
