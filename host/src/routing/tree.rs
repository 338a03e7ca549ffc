//! The paths of one host: a tree of segments, searched from the most specific branch on. Each node
//! stands for one way to read the beginning of a path, so a search looks at none of them twice and its
//! cost is bounded by the number of routes, whatever is asked for.

use super::path::{PathPattern, Segment};
use std::collections::HashMap;

/// Paths, and what is at them.
#[derive(Debug)]
pub(super) struct Tree<L> {
    root: Node<L>,
    /// What is at every path that nothing else is at.
    every: Option<L>,
}

#[derive(Debug)]
struct Node<L> {
    literal: HashMap<Box<str>, Node<L>>,
    /// The most specific one first.
    partly: Vec<(Box<str>, Box<str>, Node<L>)>,
    one: Option<Box<Node<L>>>,
    rest: Option<Box<L>>,
    here: Option<Box<L>>,
}

impl<L> Default for Node<L> {
    fn default() -> Self {
        Self { literal: HashMap::new(), partly: Vec::new(), one: None, rest: None, here: None }
    }
}

impl<L> Default for Tree<L> {
    fn default() -> Self {
        Self { root: Node::default(), every: None }
    }
}

impl<L> Tree<L> {
    /// The place of a pattern, made by `make` if nothing is there yet.
    pub(super) fn place(&mut self, pattern: &PathPattern, make: impl FnOnce() -> L) -> &mut L {
        let Some(segments) = &pattern.segments else { return self.every.get_or_insert_with(make) };
        let mut node = &mut self.root;
        for segment in segments {
            node = match segment {
                Segment::Literal(text) => node.literal.entry(text.as_str().into()).or_default(),
                Segment::Partly { prefix, suffix } => node.partly(prefix, suffix),
                Segment::One => node.one.get_or_insert_default(),
                Segment::Rest => return node.rest.get_or_insert_with(|| Box::new(make())),
            };
        }
        node.here.get_or_insert_with(|| Box::new(make()))
    }

    /// What is at a path.
    pub(super) fn find(&self, path: &str) -> Option<&L> {
        path.strip_prefix('/').and_then(|path| self.root.find(path)).or(self.every.as_ref())
    }
}

impl<L> Node<L> {
    fn partly(&mut self, prefix: &str, suffix: &str) -> &mut Self {
        let order = |(p, s): (&str, &str)| (usize::MAX - p.len(), usize::MAX - s.len());
        let key = (order((prefix, suffix)), prefix, suffix);
        let found = self.partly.binary_search_by(|(p, s, _)| (order((p, s)), &**p, &**s).cmp(&key));
        let at = found.unwrap_or_else(|at| {
            self.partly.insert(at, (prefix.into(), suffix.into(), Self::default()));
            at
        });
        &mut self.partly[at].2
    }

    /// Searches for what is left of a path, which is a segment at least.
    fn find(&self, path: &str) -> Option<&L> {
        let (segment, left) =
            path.split_once('/').map_or((path, None), |(segment, left)| (segment, Some(left)));
        let literal = self.literal.get(segment).and_then(|node| node.go_on(left));
        literal
            .or_else(|| {
                let fitting = self.partly.iter().filter(|(prefix, suffix, _)| {
                    segment.len() > prefix.len() + suffix.len()
                        && segment.starts_with(&**prefix)
                        && segment.ends_with(&**suffix)
                });
                fitting.filter_map(|(_, _, node)| node.go_on(left)).next()
            })
            .or_else(|| self.one.as_ref().filter(|_| !segment.is_empty())?.go_on(left))
            .or_else(|| self.rest.as_deref().filter(|_| !path.is_empty()))
    }

    fn go_on(&self, left: Option<&str>) -> Option<&L> {
        match left {
            Some(path) => self.find(path),
            None => self.here.as_deref(),
        }
    }
}
