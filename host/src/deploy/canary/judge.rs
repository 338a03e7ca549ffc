//! Whether a canary is to be given up: how many of its requests of late failed.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Looks that are remembered of one window.
const LOOKS_MAX: u32 = 60;

/// What was counted of a version so far.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Seen {
    /// Requests that the version itself answered or failed.
    pub requests: u64,
    /// Those that it failed, or answered with a status of 500 and above.
    pub failures: u64,
}

/// A canary that is to be given up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Verdict {
    /// Requests of the window.
    pub requests: u64,
    /// Those of them that failed.
    pub failures: u64,
}

/// Remembers what was seen over the last window.
#[derive(Debug)]
pub struct Judge {
    window: Duration,
    failures_percent_max: u8,
    requests_min: u64,
    looks: VecDeque<(Instant, Seen)>,
}

impl Judge {
    /// Gives a canary up once more than `failures_percent_max` of the requests of a `window` failed, if
    /// there were `requests_min` at least. What was `seen` by `now` is none of the canary's.
    pub fn new(
        window: Duration,
        failures_percent_max: u8,
        requests_min: u64,
        now: Instant,
        seen: Seen,
    ) -> Self {
        Self { window, failures_percent_max, requests_min, looks: VecDeque::from([(now, seen)]) }
    }

    /// Looks at the counts of this moment.
    pub fn look(&mut self, now: Instant, seen: Seen) -> Option<Verdict> {
        // The last look from before the window stays: what came since then is the window's.
        while self.looks.get(1).is_some_and(|(at, _)| now.saturating_duration_since(*at) >= self.window) {
            self.looks.pop_front();
        }
        let (_, before) = self.looks.front().copied().unwrap_or((now, seen));
        let (requests, failures) =
            (seen.requests.saturating_sub(before.requests), seen.failures.saturating_sub(before.failures));
        let pause = self.window / LOOKS_MAX;
        if self.looks.back().is_none_or(|(at, _)| now.saturating_duration_since(*at) >= pause) {
            self.looks.push_back((now, seen));
        }
        let too_many = failures * 100 > requests * u64::from(self.failures_percent_max);
        (requests >= self.requests_min && too_many).then_some(Verdict { requests, failures })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(60);

    fn judge(began: Instant) -> Judge {
        Judge::new(WINDOW, 5, 20, began, Seen { requests: 1000, failures: 1000 })
    }

    fn seen(requests: u64, failures: u64) -> Seen {
        Seen { requests: 1000 + requests, failures: 1000 + failures }
    }

    #[test]
    fn too_few_requests_say_nothing_and_one_more_says_all() {
        let began = Instant::now();
        assert_eq!(judge(began).look(began, seen(19, 19)), None);
        let verdict = Verdict { requests: 20, failures: 20 };
        assert_eq!(judge(began).look(began, seen(20, 20)), Some(verdict));
    }

    #[test]
    fn the_threshold_holds_on_both_sides() {
        let began = Instant::now();
        assert_eq!(judge(began).look(began, seen(100, 5)), None);
        assert!(judge(began).look(began, seen(100, 6)).is_some());
        let mut strict = Judge::new(WINDOW, 0, 1, began, Seen::default());
        assert_eq!(strict.look(began, Seen { requests: 1, failures: 0 }), None);
        assert!(strict.look(began, Seen { requests: 2, failures: 1 }).is_some());
    }

    #[test]
    fn failures_of_long_ago_are_forgotten_and_those_of_the_window_are_not() {
        let began = Instant::now();
        let mut judge = judge(began);
        let at = |seconds| began + Duration::from_secs(seconds);
        assert_eq!(judge.look(at(1), seen(19, 19)), None);
        for second in 2..=70 {
            assert_eq!(judge.look(at(second), seen(19, 19)), None);
        }
        assert_eq!(judge.look(at(71), seen(119, 20)), None, "one of a hundred");
        assert!(judge.look(at(72), seen(139, 40)).is_some(), "21 of 120");
        assert!(judge.looks.len() <= LOOKS_MAX as usize + 2);
    }

    #[test]
    fn memory_is_bounded_however_often_one_looks() {
        let began = Instant::now();
        let mut judge = judge(began);
        for ms in 0..200_000 {
            judge.look(began + Duration::from_millis(ms), seen(0, 0));
            assert!(judge.looks.len() <= LOOKS_MAX as usize + 2);
        }
    }
}
