//! How full the class of honest heavy jobs is.
//!
//! `busy` threads have a share of the machine that no fresh job can take from them, so that honest
//! heavy jobs go on. A crowd of runaways must not have it: each of a thousand would use it for as long
//! as one may. So whoever is in a crowd moves down earlier, the earlier the larger it is, and all of the
//! same crowd after the same CPU time, so that equal jobs stay equal.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Jobs for each thread that are no crowd yet.
const COMPANY: u64 = 2;
/// A crowd is forgotten by this part of itself at each look: slowly enough that the last of a crowd of
/// equals do not stay when the first have left.
const FORGET: u64 = 4096;

/// The largest crowd since `busy` last had nothing to do: jobs in parts of [`FORGET`]. Threads may
/// overwrite what another has noted at the same moment, which it notes again a slice later.
#[derive(Debug)]
pub(super) struct Crowd {
    largest: AtomicU64,
    threads: u64,
}

impl Crowd {
    pub(super) fn new(threads: NonZeroU32) -> Self {
        Self { largest: AtomicU64::new(0), threads: threads.get().into() }
    }

    /// Nobody is there.
    pub(super) fn disperse(&self) {
        self.largest.store(0, Relaxed);
    }

    /// Looks at `jobs` that are there now; returns what each may use, of `alone_ns` that one alone may.
    pub(super) fn share(&self, jobs: u64, alone_ns: u64) -> u64 {
        let before = self.largest.load(Relaxed);
        let largest = (before - before / FORGET).max(jobs.saturating_mul(FORGET));
        self.largest.store(largest, Relaxed);
        let (company, crowd) = (u128::from(COMPANY * self.threads * FORGET), u128::from(largest));
        if crowd <= company {
            return alone_ns;
        }
        // By the square: the larger the crowd, the less for all of it together.
        let times = crowd.div_ceil(u128::from(self.threads)).pow(2);
        let share = u128::from(alone_ns) * u128::from(COMPANY * FORGET).pow(2) / times;
        u64::try_from(share).unwrap_or(alone_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALONE: u64 = 600;

    fn crowd() -> Crowd {
        Crowd::new(NonZeroU32::new(2).expect("two"))
    }

    #[test]
    fn the_larger_the_crowd_the_less_for_each_and_for_all_together() {
        let share = |jobs| crowd().share(jobs, ALONE);
        assert_eq!([share(1), share(4), share(8), share(16)], [ALONE, ALONE, ALONE / 4, ALONE / 16]);
        assert_eq!(share(u64::MAX), 0);
    }

    #[test]
    fn equal_jobs_leave_together() {
        let crowd = crowd();
        for jobs in (1..=10).rev() {
            let share = crowd.share(jobs, ALONE);
            assert!((96..98).contains(&share), "the crowd of ten leaves at 96: {share}");
        }
    }

    #[test]
    fn a_crowd_that_has_gone_counts_no_more() {
        let dispersed = crowd();
        dispersed.share(100, ALONE);
        dispersed.disperse();
        assert_eq!(dispersed.share(1, ALONE), ALONE);
        // Nor where `busy` is never without a job.
        let forgotten = crowd();
        forgotten.share(100, ALONE);
        for _ in 0..10 * FORGET {
            forgotten.share(1, ALONE);
        }
        assert_eq!(forgotten.share(1, ALONE), ALONE);
    }
}
