//! Where jobs arrive in a shard of a run queue, from threads of every class.
//!
//! A `SegQueue` is quick, but whoever takes from it waits for a push that is under way, and pushes
//! wait for one another at the end of a block: a thread of a low class, stopped by the kernel in the
//! middle of one, would hold up fresh jobs and the I/O threads for as long as it gets no CPU. So
//! threads of low classes put what they have on a stack that nobody waits for.

use super::scheduler::Scheduler;
use super::sync::SegQueue;
use crate::stack::Stack;

/// Bounded by what is queued in it.
#[derive(Debug)]
pub(super) struct Inbox<T> {
    /// From threads of normal priority.
    queue: SegQueue<T>,
    /// From threads of low classes.
    stack: Stack<T>,
}

impl<T> Default for Inbox<T> {
    fn default() -> Self {
        Self { queue: SegQueue::default(), stack: Stack::default() }
    }
}

impl<T: Clone> Inbox<T> {
    pub(super) fn push(&self, item: T) {
        if Scheduler::low_class_here() {
            self.stack.push(&item);
        } else {
            self.queue.push(item);
        }
    }

    /// Hands over everything that has arrived, in order of arrival on each way.
    pub(super) fn drain(&self, mut take: impl FnMut(T)) {
        while let Some(item) = self.queue.pop() {
            take(item);
        }
        self.stack.take().for_each(take);
    }
}
