//! Asking again: what may go away by itself is tried a few times, each time after a longer pause, and never
//! past the time that everything together may take.

use super::RegistryError;
use std::hash::{BuildHasher as _, RandomState};
use std::time::{Duration, Instant};

/// How often anything is asked.
const ATTEMPTS_MAX: u32 = 5;
/// The pause before the second attempt; each further one is twice as long.
const PAUSE_MIN: Duration = Duration::from_millis(250);
/// The longest pause that a registry may ask for.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Until when everything has to be done.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    end: Instant,
    pub(super) total: Duration,
}

impl Deadline {
    pub(super) fn after(total: Duration) -> Self {
        // A time that cannot be told is far enough away.
        let far = Duration::from_secs(60 * 60 * 24 * 365);
        let now = Instant::now();
        Self { end: now.checked_add(total).unwrap_or_else(|| now + far), total }
    }

    /// The time that is left; none if there is none.
    pub(super) fn left(&self) -> Option<Duration> {
        self.end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }
}

/// Does `attempt` until it succeeds, fails for good, was tried often enough or has no time left. Blocks for the
/// pauses between.
pub(super) fn retrying<T>(
    deadline: Deadline,
    mut attempt: impl FnMut() -> Result<T, RegistryError>,
) -> Result<T, RegistryError> {
    let mut failed = 0;
    loop {
        let error = match attempt() {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        failed += 1;
        if !error.is_transient() || failed == ATTEMPTS_MAX {
            return Err(error);
        }
        let pause = pause_after(failed, asked_pause(&error), random());
        match (pause, deadline.left()) {
            (Some(pause), Some(left)) if pause < left => {
                tracing::debug!(%error, pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX), "asking again");
                wait(pause);
            }
            (Some(_) | None, Some(_) | None) => return Err(error),
        }
    }
}

/// How long to wait after so many failures; none if the registry asks for more than anyone would wait.
fn pause_after(failed: u32, asked: Option<Duration>, random: u64) -> Option<Duration> {
    let own = (PAUSE_MIN * 2_u32.saturating_pow(failed - 1)).min(PAUSE_MAX);
    // Between half of it and all of it, so that many that failed together do not come again together.
    let half = own / 2;
    let own = half + half.mul_f64(random as f64 / u64::MAX as f64);
    match asked {
        Some(asked) if asked > PAUSE_MAX => None,
        Some(asked) => Some(own.max(asked)),
        None => Some(own),
    }
}

fn asked_pause(error: &RegistryError) -> Option<Duration> {
    if let RegistryError::Busy { after, .. } = error { *after } else { None }
}

/// Random enough to spread pauses: the standard library's hashers are keyed anew each time.
fn random() -> u64 {
    RandomState::new().hash_one(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "a pause between attempts, on a loader's thread, bounded above"
)]
fn wait(pause: Duration) {
    std::thread::sleep(pause);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn busy(after: Option<Duration>) -> RegistryError {
        RegistryError::Busy { asked: String::new(), status: 429, said: String::new(), after }
    }

    #[test]
    fn pauses_grow_vary_and_are_bounded() {
        for (failed, least_ms, most_ms) in
            [(1, 125, 250), (2, 250, 500), (3, 500, 1000), (20, 15_000, 30_000), (u32::MAX, 15_000, 30_000)]
        {
            let ms = |random| pause_after(failed, None, random).unwrap().as_millis();
            assert_eq!((ms(0), ms(u64::MAX)), (least_ms, most_ms), "{failed}");
        }
    }

    #[test]
    fn pause_that_is_asked_for_is_kept_unless_it_is_absurd() {
        let pause = |asked_s| pause_after(1, Some(Duration::from_secs(asked_s)), 0);
        assert_eq!(pause(0), Some(PAUSE_MIN / 2));
        assert_eq!(pause(30), Some(PAUSE_MAX));
        assert_eq!(pause(31), None);
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let mut attempts = 0;
        let deadline = Deadline::after(Duration::from_secs(60));
        let done: Result<(), _> = retrying(deadline, || {
            attempts += 1;
            match attempts {
                1 => Err(busy(None)),
                _ => Err(RegistryError::NotFound { asked: String::new(), said: String::new() }),
            }
        });
        assert!(matches!(done, Err(RegistryError::NotFound { .. })));
        assert_eq!(attempts, 2);
    }

    #[test]
    fn no_pause_goes_past_the_deadline() {
        let mut attempts = 0;
        let done: Result<(), _> = retrying(Deadline::after(Duration::from_secs(5)), || {
            attempts += 1;
            Err(busy(Some(Duration::from_secs(20))))
        });
        assert!(done.is_err());
        assert_eq!(attempts, 1);
    }
}
