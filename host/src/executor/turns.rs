//! Whose turn it is within one queue: handlers take turns, and a handler's jobs come in order, so a
//! handler with a thousand ready jobs does not push back one with a single job.

use std::collections::{BinaryHeap, HashMap, VecDeque};

/// Names a handler for as long as the process lives: to the scheduler, and to those who let requests in.
pub type HandlerKey = u64;

/// A ready job's place in the order of its handler.
#[derive(Debug)]
struct Ranked<T> {
    rank: u64,
    /// Breaks ties: first come, first served.
    arrival: u64,
    item: T,
}

impl<T> PartialEq for Ranked<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T> Eq for Ranked<T> {}

impl<T> PartialOrd for Ranked<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Ranked<T> {
    /// The lowest rank is the greatest, since the heap gives out the greatest.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.rank, other.arrival).cmp(&(self.rank, self.arrival))
    }
}

/// Ready jobs of all handlers.
#[derive(Debug)]
pub(super) struct Turns<T> {
    ready: HashMap<HandlerKey, BinaryHeap<Ranked<T>>>,
    /// Handlers with ready jobs, the next one in front.
    ring: VecDeque<HandlerKey>,
    arrivals: u64,
}

impl<T> Default for Turns<T> {
    fn default() -> Self {
        Self { ready: HashMap::new(), ring: VecDeque::new(), arrivals: 0 }
    }
}

impl<T> Turns<T> {
    /// Adds a job. Of one handler's jobs the one with the lowest `rank` is next; equal ranks come in
    /// order of arrival.
    pub(super) fn push(&mut self, handler: HandlerKey, rank: u64, item: T) {
        let arrival = self.arrivals;
        self.arrivals += 1;
        let jobs = self.ready.entry(handler).or_default();
        if jobs.is_empty() {
            self.ring.push_back(handler);
        }
        jobs.push(Ranked { rank, arrival, item });
    }

    /// Takes the next job of the handler whose turn it is.
    pub(super) fn pop(&mut self) -> Option<T> {
        let handler = self.ring.pop_front()?;
        let jobs = self.ready.get_mut(&handler)?;
        let next = jobs.pop();
        if jobs.is_empty() {
            // A handler without jobs leaves nothing behind: there is no bound on how many there were.
            self.ready.remove(&handler);
        } else {
            self.ring.push_back(handler);
        }
        next.map(|ranked| ranked.item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_handler_with_many_jobs_does_not_push_back_one_with_one() {
        let mut turns = Turns::default();
        for job in 0..1000 {
            turns.push(1, 0, (1, job));
        }
        turns.push(2, 0, (2, 0));
        assert_eq!([turns.pop(), turns.pop()], [Some((1, 0)), Some((2, 0))]);
        assert_eq!(turns.pop(), Some((1, 1)));
    }

    #[test]
    fn equal_ranks_come_in_order_and_lower_ranks_first() {
        let mut turns = Turns::default();
        for (rank, job) in [(5, 'c'), (1, 'a'), (5, 'd'), (1, 'b')] {
            turns.push(7, rank, job);
        }
        let order: String = std::iter::from_fn(|| turns.pop()).collect();
        assert_eq!(order, "abcd");
    }

    proptest! {
        #[test]
        fn each_job_comes_once_and_no_handler_waits_for_more_than_a_round(
            jobs in prop::collection::vec((0u64..8, 0u64..4), 0..200)
        ) {
            let mut turns = Turns::default();
            for (index, &(handler, rank)) in jobs.iter().enumerate() {
                turns.push(handler, rank, (handler, index));
            }
            let order: Vec<_> = std::iter::from_fn(|| turns.pop()).collect();
            let mut seen: Vec<_> = order.iter().map(|&(_, index)| index).collect();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..jobs.len()).collect::<Vec<_>>());
            for handler in 0..8 {
                let last = order.iter().rposition(|&(h, _)| h == handler).unwrap_or(0);
                let mut gap = 0;
                for &(h, _) in &order[..last] {
                    gap = if h == handler { 0 } else { gap + 1 };
                    prop_assert!(gap < 8, "handler {handler} waits for a whole round");
                }
            }
        }
    }
}
