//! Where jobs arrive in a shard of a run queue, from threads of every class.
//!
//! A `SegQueue` is quick, but whoever takes from it waits for a push that is under way, and pushes
//! wait for one another at the end of a block: a thread of a low class, stopped by the kernel in the
//! middle of one, would hold up fresh jobs and the I/O threads for as long as it gets no CPU. So
//! threads of low classes put what they have on a stack, where a push is there or not.

use super::scheduler::Scheduler;
use super::sync::{ArcSwapOption, SegQueue};
use std::sync::Arc;

/// Bounded by what is queued in it.
#[derive(Debug)]
pub(super) struct Inbox<T> {
    /// From threads of normal priority.
    queue: SegQueue<T>,
    /// From threads of low classes, the latest on top.
    stack: ArcSwapOption<Link<T>>,
}

#[derive(Debug)]
struct Link<T> {
    item: T,
    below: Option<Arc<Self>>,
}

impl<T> Default for Inbox<T> {
    fn default() -> Self {
        Self { queue: SegQueue::default(), stack: ArcSwapOption::empty() }
    }
}

impl<T: Clone> Inbox<T> {
    pub(super) fn push(&self, item: T) {
        if Scheduler::low_class_here() {
            self.stack.rcu(|top| Some(Arc::new(Link { item: item.clone(), below: top.clone() })));
        } else {
            self.queue.push(item);
        }
    }

    /// Hands over everything that has arrived, in order of arrival on each way.
    pub(super) fn drain(&self, mut take: impl FnMut(T)) {
        while let Some(item) = self.queue.pop() {
            take(item);
        }
        // A look costs less than to take nothing.
        if self.stack.load().is_none() {
            return;
        }
        let mut links = Vec::new();
        let mut top = self.stack.swap(None);
        while let Some(link) = top {
            top = link.below.clone();
            links.push(link);
        }
        links.iter().rev().for_each(|link| take(link.item.clone()));
    }
}

impl<T> Drop for Link<T> {
    /// One after the other: a long stack would need a deep one.
    fn drop(&mut self) {
        let mut below = self.below.take();
        while let Some(mut link) = below.and_then(Arc::into_inner) {
            below = link.below.take();
        }
    }
}
