//! Sorting fifty thousand numbers.

use crate::numbers::Numbers;

/// How many are sorted.
const NUMBERS: usize = 50_000;

pub(crate) fn work() -> String {
    let mut numbers: Vec<u64> = Numbers::default().take(NUMBERS).collect();
    numbers.sort_unstable();
    format!("sorted {NUMBERS} numbers: the one in the middle is {}\n", numbers[NUMBERS / 2])
}
