//! Classes of jobs by attained service: how much CPU time a job has used decides which threads poll
//! it, and the kernel does the rest.

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

    /// The class of a job that has used `cpu_ns`.
    pub(super) fn class(&self, cpu_ns: u64) -> Class {
        if cpu_ns < self.busy_after_ns {
            Class::Fresh
        } else if cpu_ns < self.hog_after_ns {
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
        let class = |ms: u64| thresholds.class(ms * 1_000_000);
        assert_eq!((class(0), thresholds.class(1_999_999)), (Class::Fresh, Class::Fresh));
        assert_eq!((class(2), class(999)), (Class::Busy, Class::Busy));
        assert_eq!((class(1000), class(u64::MAX / 1_000_000)), (Class::Hog, Class::Hog));
    }

    #[test]
    fn the_table_of_classes_is_in_order() {
        for (place, class) in Class::ALL.into_iter().enumerate() {
            assert_eq!(class.index(), place);
        }
    }
}
