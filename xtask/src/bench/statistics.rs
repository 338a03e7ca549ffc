//! From many measurements to few numbers. What was not answered counts as slower than everything that
//! was, so no number looks better for it.

use std::time::Duration;

/// What became of many requests of one kind.
#[derive(Default)]
pub(super) struct Samples {
    answered: Vec<Duration>,
    late: usize,
    refused: usize,
}

/// How long requests of one kind took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Latency {
    /// The time within which half of them were answered; none where fewer were.
    pub(super) p50: Option<Duration>,
    /// The time within which 99 of a hundred were answered; none where fewer were.
    pub(super) p99: Option<Duration>,
    /// The share that was not answered in time, or not with what was asked for.
    pub(super) failed_share: f64,
    /// The share that was refused: answered with something else, or cut off. A part of those that failed.
    pub(super) refused_share: f64,
}

impl Samples {
    /// Counts an answer that took `time`.
    pub(super) fn answer(&mut self, time: Duration) {
        self.answered.push(time);
    }

    /// How many answers there are so far.
    pub(super) fn answered_count(&self) -> usize {
        self.answered.len()
    }

    /// Counts a request without an answer in time.
    pub(super) fn miss(&mut self) {
        self.late += 1;
    }

    /// Counts a request that got something else than an answer.
    pub(super) fn refuse(&mut self) {
        self.refused += 1;
    }

    /// Sums them up.
    pub(super) fn latency(mut self) -> Latency {
        self.answered.sort_unstable();
        let failed = self.late + self.refused;
        let total = self.answered.len() + failed;
        let share = |part: usize| if total == 0 { 0.0 } else { part as f64 / total as f64 };
        Latency {
            p50: percentile(&self.answered, total, 50),
            p99: percentile(&self.answered, total, 99),
            failed_share: share(failed),
            refused_share: share(self.refused),
        }
    }
}

/// The smallest of the `sorted` times that `percent` of `total` requests did not exceed; none where the
/// others, which have no time, are too many.
fn percentile(sorted: &[Duration], total: usize, percent: usize) -> Option<Duration> {
    let rank = (total * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

/// The median of `values`; of an even number the lower of the two in the middle, so it is always one
/// that was measured. None where there are none.
pub(super) fn median<T: Copy>(values: impl IntoIterator<Item = T>, key: impl Fn(&T) -> f64) -> Option<T> {
    let mut values: Vec<_> = values.into_iter().collect();
    values.sort_by(|left, right| key(left).total_cmp(&key(right)));
    values.get(values.len().saturating_sub(1) / 2).copied()
}

/// The median of numbers.
pub(super) fn median_number(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    median(values, |&value| value)
}

/// The median of times; one that is missing is longer than all others.
pub(super) fn median_time(values: impl IntoIterator<Item = Option<Duration>>) -> Option<Duration> {
    median(values, |time| time.map_or(f64::INFINITY, |time| time.as_secs_f64())).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latency(answered_ms: impl IntoIterator<Item = u64>, failed: usize) -> Latency {
        let answered = answered_ms.into_iter().map(Duration::from_millis).collect();
        Samples { answered, late: failed, refused: 0 }.latency()
    }

    fn ms(time: u64) -> Option<Duration> {
        Some(Duration::from_millis(time))
    }

    #[test]
    fn percentiles_are_nearest_ranks_in_any_order() {
        let all = latency((1..=200).rev(), 0);
        assert_eq!((all.p50, all.p99, all.failed_share), (ms(100), ms(198), 0.0));
        let one = latency([7], 0);
        assert_eq!((one.p50, one.p99), (ms(7), ms(7)));
        let none = latency([], 0);
        assert_eq!((none.p50, none.p99, none.failed_share), (None, None, 0.0));
    }

    #[test]
    fn failures_are_slower_than_any_answer() {
        let one_in_hundred = latency(1..=99, 1);
        assert_eq!((one_in_hundred.p50, one_in_hundred.p99), (ms(50), ms(99)));
        let two_in_hundred = latency(1..=98, 2);
        assert_eq!((two_in_hundred.p50, two_in_hundred.p99), (ms(50), None));
        assert_eq!(two_in_hundred.failed_share, 0.02);
        let half = latency([1], 1);
        assert_eq!((half.p50, half.p99), (ms(1), None));
        let all = latency([], 3);
        assert_eq!((all.p50, all.p99, all.failed_share), (None, None, 1.0));
    }

    #[test]
    fn refused_requests_are_a_part_of_those_that_failed() {
        let mut samples = Samples::default();
        samples.answer(Duration::from_millis(1));
        samples.miss();
        samples.refuse();
        samples.refuse();
        let latency = samples.latency();
        assert_eq!((latency.failed_share, latency.refused_share), (0.75, 0.5));
    }

    #[test]
    fn median_is_one_of_the_values() {
        assert_eq!(median_number([3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median_number([4.0, 1.0, 2.0, 3.0]), Some(2.0));
        assert_eq!(median_number([5.0]), Some(5.0));
        assert_eq!(median_number([]), None);
    }

    #[test]
    fn no_answer_is_the_median_where_most_have_none() {
        assert_eq!(median_time([None, ms(1), ms(2)]), ms(2));
        assert_eq!(median_time([None, ms(1), None]), None);
    }
}
