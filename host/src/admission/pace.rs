//! The pace of a line: how long one step forward takes, measured while somebody waits in it.

use std::time::Duration;
use tokio::time::Instant;

/// What is this old counts for about a third of what is new.
const MEMORY_S: f64 = 2.0;
/// Steps that must have been seen lately: an estimate from fewer is a guess.
const STEPS_MIN: f64 = 8.0;

/// Steps forward, and the time that somebody waited for them; both fade, so that what is told is
/// the pace of the last seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    steps: f64,
    waited_s: f64,
    at: Instant,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self { steps: 0.0, waited_s: 0.0, at: now }
    }

    /// Lets the time since the last call pass, in which somebody waited or nobody did.
    pub(super) fn pass(&mut self, now: Instant, waiting: bool) {
        let passed_s = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = now;
        let kept = (-passed_s / MEMORY_S).exp();
        self.steps *= kept;
        self.waited_s *= kept;
        if waiting {
            self.waited_s += MEMORY_S * (1.0 - kept);
        }
    }

    /// Counts a step forward.
    pub(super) fn step(&mut self) {
        self.steps += 1.0;
    }

    /// How long `steps` steps will take, if enough was seen to say so.
    pub(super) fn time_for(&self, steps: usize) -> Option<Duration> {
        if self.steps < STEPS_MIN {
            return None;
        }
        Duration::try_from_secs_f64(self.waited_s / self.steps * steps as f64).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    /// A pace after `steps` steps, one every `interval`, and the time it is then.
    fn paced(steps: u32, interval: Duration) -> (Pace, Instant) {
        let mut now = Instant::now();
        let mut pace = Pace::new(now);
        for _ in 0..steps {
            now += interval;
            pace.pass(now, true);
            pace.step();
        }
        (pace, now)
    }

    #[track_caller]
    fn assert_about(pace: &Pace, steps: usize, expected: Duration) {
        let time = pace.time_for(steps).expect("enough was seen");
        let ratio = time.as_secs_f64() / expected.as_secs_f64();
        assert!((0.8..1.25).contains(&ratio), "{time:?} is not about {expected:?}");
    }

    #[test]
    fn steady_steps_are_their_own_estimate() {
        let (pace, _) = paced(100, 10 * MILLISECOND);
        assert_about(&pace, 100, Duration::from_secs(1));
        let (pace, _) = paced(10_000, MILLISECOND);
        assert_about(&pace, 100, 100 * MILLISECOND);
    }

    #[test]
    fn few_or_old_steps_say_nothing() {
        let (mut pace, now) = paced(7, 10 * MILLISECOND);
        assert_eq!(pace.time_for(1), None);
        pace.step();
        pace.step();
        assert!(pace.time_for(1).is_some());
        pace.pass(now + Duration::from_secs(60), true);
        assert_eq!(pace.time_for(1), None);
    }

    #[test]
    fn a_change_of_pace_is_learned_within_seconds() {
        let (mut pace, mut now) = paced(2000, MILLISECOND);
        for _ in 0..1000 {
            now += 10 * MILLISECOND;
            pace.pass(now, true);
            pace.step();
        }
        assert_about(&pace, 10, 100 * MILLISECOND);
    }

    #[test]
    fn time_in_which_nobody_waits_is_no_delay() {
        let (mut pace, now) = paced(100, 10 * MILLISECOND);
        pace.pass(now + Duration::from_secs(1), false);
        assert_about(&pace, 1, 10 * MILLISECOND);
    }
}
