//! What one version's requests came to, apart from those of the other versions of its handler: two numbers
//! that every thread may add to without waiting for another.

use crate::outcome::Outcome;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Requests of one version, and those of them that went wrong.
#[derive(Debug, Default)]
pub struct Tally {
    requests: AtomicU64,
    failures: AtomicU64,
}

impl Tally {
    /// Counts a request that has ended, with this status. What the version is not to blame for does not count.
    pub(super) fn ended(&self, outcome: Outcome, status: u16) {
        let failed = match outcome {
            Outcome::Answered => status >= 500,
            Outcome::Failed(reason) if reason.blames_handler() => true,
            Outcome::Failed(_) => return,
        };
        if failed {
            self.failures.fetch_add(1, Relaxed);
        }
        self.requests.fetch_add(1, Relaxed);
    }

    /// Requests that the version answered or failed, and those that it failed or answered with 500 and above.
    pub fn seen(&self) -> (u64, u64) {
        // In this order, so that no request is missing that a failure belongs to.
        let failures = self.failures.load(Relaxed);
        (self.requests.load(Relaxed).max(failures), failures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Reason;

    #[test]
    fn only_what_the_version_did_counts() {
        let tally = Tally::default();
        for (outcome, status, seen) in [
            (Outcome::Answered, 200, (1, 0)),
            (Outcome::Answered, 499, (2, 0)),
            (Outcome::Answered, 500, (3, 1)),
            (Outcome::Failed(Reason::GuestTrap), 500, (4, 2)),
            (Outcome::Failed(Reason::GuestTimeout), 504, (5, 3)),
            (Outcome::Failed(Reason::QueueFull), 503, (5, 3)),
            (Outcome::Failed(Reason::ClientGone), 0, (5, 3)),
        ] {
            tally.ended(outcome, status);
            assert_eq!(tally.seen(), seen, "{outcome:?} {status}");
        }
    }
}
