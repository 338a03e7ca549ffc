//! A value that is set once, by whichever thread comes first, and without a moment in which a thread
//! that the kernel stops could keep the others waiting: a lock has one, and so has a `OnceLock`.

use crate::outcome::{Outcome, Reason};
use std::sync::atomic::{AtomicU64, Ordering::AcqRel, Ordering::Acquire};
use std::time::Duration;

/// Bits of the outcome; above them stand the microseconds.
const CODE_BITS: u32 = 8;
/// What an outcome is written as; 0 is none.
const ANSWERED: u64 = 1;
const FIRST_REASON: u64 = 2;
const _: () = assert!(Reason::ALL.len() + 2 <= 1 << CODE_BITS, "a reason does not fit into its bits");

/// How something ended and how long it took, once that is decided.
#[derive(Debug, Default)]
pub(super) struct Verdict(AtomicU64);

impl Verdict {
    /// Decides, unless that has happened; returns what stands.
    pub(super) fn decide(&self, outcome: Outcome, took: Duration) -> Outcome {
        let word = write(outcome, took);
        match self.0.compare_exchange(0, word, AcqRel, Acquire) {
            Ok(_) => outcome,
            Err(earlier) => read(earlier).map_or(outcome, |(outcome, _)| outcome),
        }
    }

    /// What was decided.
    pub(super) fn get(&self) -> Option<(Outcome, Duration)> {
        read(self.0.load(Acquire))
    }
}

fn write(outcome: Outcome, took: Duration) -> u64 {
    let code = match outcome {
        Outcome::Answered => ANSWERED,
        Outcome::Failed(reason) => FIRST_REASON + reason.index() as u64,
    };
    // Two thousand years fit.
    let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).min(u64::MAX >> CODE_BITS);
    us << CODE_BITS | code
}

fn read(word: u64) -> Option<(Outcome, Duration)> {
    let outcome = match word & ((1 << CODE_BITS) - 1) {
        0 => return None,
        ANSWERED => Outcome::Answered,
        code => Outcome::Failed(*Reason::ALL.get(usize::try_from(code - FIRST_REASON).ok()?)?),
    };
    Some((outcome, Duration::from_micros(word >> CODE_BITS)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_reads_back_and_the_first_one_stands() {
        let outcomes = Reason::ALL.iter().map(|&reason| Outcome::Failed(reason)).chain([Outcome::Answered]);
        for (outcome, us) in outcomes.zip(0..) {
            let (verdict, took) = (Verdict::default(), Duration::from_micros(us * 1_000_003));
            assert_eq!(verdict.get(), None);
            assert_eq!(verdict.decide(outcome, took), outcome);
            assert_eq!(verdict.decide(Outcome::Failed(Reason::HostPanic), Duration::MAX), outcome);
            assert_eq!(verdict.get(), Some((outcome, took)));
        }
        let long = Verdict::default();
        long.decide(Outcome::Answered, Duration::MAX);
        assert_eq!(long.get().map(|(outcome, _)| outcome), Some(Outcome::Answered));
    }

    #[test]
    fn of_many_threads_one_decides() {
        let verdict = Verdict::default();
        let stood: Vec<Outcome> = std::thread::scope(|scope| {
            let decide = |reason| {
                let verdict = &verdict;
                move || verdict.decide(Outcome::Failed(reason), Duration::ZERO)
            };
            let threads: Vec<_> = Reason::ALL.iter().map(|&reason| scope.spawn(decide(reason))).collect();
            threads.into_iter().map(|thread| thread.join().expect("a thread")).collect()
        });
        let (stands, _) = verdict.get().expect("decided");
        assert!(stood.iter().all(|outcome| *outcome == stands), "{stood:?}");
    }
}
