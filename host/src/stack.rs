//! A stack that nobody ever waits for: a push is there or not. A thread of a low class that the kernel
//! stops in the middle of one holds up neither who takes nor who pushes, which no queue with slots or
//! locks can say.

use arc_swap::ArcSwapOption;
use std::sync::Arc;

/// Bounded by whoever pushes.
#[derive(Debug)]
pub(crate) struct Stack<T>(ArcSwapOption<Link<T>>);

#[derive(Debug)]
struct Link<T> {
    item: T,
    below: Option<Arc<Self>>,
}

impl<T> Default for Stack<T> {
    fn default() -> Self {
        Self(ArcSwapOption::empty())
    }
}

impl<T> Stack<T> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.load().is_none()
    }
}

impl<T: Clone> Stack<T> {
    pub(crate) fn push(&self, item: &T) {
        self.0.rcu(|top| Some(Arc::new(Link { item: item.clone(), below: top.clone() })));
    }

    /// Takes everything, in order of arrival.
    pub(crate) fn take(&self) -> impl Iterator<Item = T> {
        let mut items = Vec::new();
        // A look costs less than to take nothing.
        if !self.is_empty() {
            let mut top = self.0.swap(None);
            while let Some(link) = top {
                items.push(link.item.clone());
                top = link.below.clone();
            }
        }
        items.into_iter().rev()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_comes_once_and_in_order() {
        let stack = Stack::default();
        assert!(stack.is_empty());
        (0..100_000).for_each(|item| stack.push(&item));
        assert!(stack.take().eq(0..100_000));
        assert!(stack.is_empty() && stack.take().next().is_none());
        // Dropped with what is in it, it needs no deep stack either.
        (0..100_000).for_each(|item| stack.push(&item));
    }

    #[test]
    fn what_many_push_at_once_is_all_there() {
        let (stack, mut seen) = (Stack::default(), Vec::new());
        std::thread::scope(|scope| {
            let pushing: Vec<_> = (0..4)
                .map(|thread| {
                    let stack = &stack;
                    scope.spawn(move || (0..10_000).for_each(|item| stack.push(&(thread, item))))
                })
                .collect();
            while !pushing.iter().all(|thread| thread.is_finished()) {
                seen.extend(stack.take());
            }
        });
        seen.extend(stack.take());
        for thread in 0..4 {
            let items = seen.iter().filter(|(by, _)| *by == thread).map(|&(_, item)| item);
            assert!(items.eq(0..10_000), "thread {thread}");
        }
    }
}
