//! The table: finds what serves a request, without an allocation or a lock for all but strange paths.
//! Immutable; a change is another table in its place.

use super::host::HostName;
use super::readings::{is_plain, readings};
use super::tree::Tree;
use super::{HostPattern, Methods, PathPattern, Route};
use http::Method;
use std::collections::HashMap;
use std::sync::Arc;

/// Routes, and what they lead to.
#[derive(Debug)]
pub struct RouteTable<T> {
    /// Where everything leads, if there is only this.
    only: Option<Place<T>>,
    exactly: HashMap<Box<str>, Tree<Place<T>>>,
    below: HashMap<Box<str>, Tree<Place<T>>>,
    any: Tree<Place<T>>,
}

/// One pattern of paths, and what is there by method.
#[derive(Clone, Debug)]
struct Place<T> {
    pattern: PathPattern,
    any: Option<Arc<T>>,
    by_method: Vec<(Method, Arc<T>)>,
}

/// Where a request is led.
#[derive(Debug)]
pub struct Found<'a, T> {
    /// What serves it.
    pub target: &'a Arc<T>,
    /// The pattern that its path fits.
    pub pattern: &'a PathPattern,
}

/// Why a request is led nowhere.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Miss {
    /// Nothing is at its path.
    NoRoute,
    /// What is at its path is asked for by other methods: these, as `Allow` lists them.
    Method(String),
    /// Its path can be read in several ways, and they lead to different places.
    Ambiguous,
}

/// Two routes for the same requests.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Conflict<T> {
    /// What the first one leads to.
    pub with: Arc<T>,
}

impl<T> Default for RouteTable<T> {
    /// A table that leads nowhere.
    fn default() -> Self {
        Self { only: None, exactly: HashMap::new(), below: HashMap::new(), any: Tree::default() }
    }
}

impl<T> RouteTable<T> {
    /// A table in which everything leads to `target`.
    pub fn single(target: Arc<T>) -> Self {
        let only = Place { pattern: PathPattern::every(), any: Some(target), by_method: Vec::new() };
        Self { only: Some(only), ..Self::default() }
    }

    /// Adds a route.
    ///
    /// # Errors
    /// What is there already, for the same hosts, paths and methods.
    pub fn insert(&mut self, route: &Route, target: Arc<T>) -> Result<(), Conflict<T>> {
        let tree = match &route.host {
            HostPattern::Exactly(name) => self.exactly.entry(name.as_str().into()).or_default(),
            HostPattern::Below(name) => self.below.entry(name.as_str().into()).or_default(),
            HostPattern::Any => &mut self.any,
        };
        let empty = || Place { pattern: route.path.clone(), any: None, by_method: Vec::new() };
        let place = tree.place(&route.path, empty);
        match &route.methods {
            Methods::Any => match &place.any {
                Some(with) => return Err(Conflict { with: with.clone() }),
                None => place.any = Some(target),
            },
            Methods::Of(methods) => {
                let taken = place.by_method.iter().find(|(method, _)| methods.contains(method));
                if let Some((_, with)) = taken {
                    return Err(Conflict { with: with.clone() });
                }
                place.by_method.extend(methods.iter().map(|method| (method.clone(), target.clone())));
            }
        }
        Ok(())
    }

    /// Finds what serves a request: of the hosts the one that is named, else the closest one above it,
    /// else any, the first that has the path; of the paths the most specific one.
    ///
    /// # Errors
    /// Why nothing does.
    pub fn find(&self, host: &str, method: &Method, path: &str) -> Result<Found<'_, T>, Miss> {
        if let Some(only) = &self.only {
            return only.found(method);
        }
        if is_plain(path) {
            return self.find_plain(host, method, path);
        }
        let mut found = readings(path).into_iter().map(|path| self.find_plain(host, method, &path));
        let first = found.next().unwrap_or(Err(Miss::NoRoute));
        match found.all(|other| same(&first, &other)) {
            true => first,
            false => Err(Miss::Ambiguous),
        }
    }

    fn find_plain(&self, host: &str, method: &Method, path: &str) -> Result<Found<'_, T>, Miss> {
        let place = self.find_by_host(host, path).or_else(|| self.any.find(path));
        place.ok_or(Miss::NoRoute)?.found(method)
    }

    fn find_by_host(&self, host: &str, path: &str) -> Option<&Place<T>> {
        if self.exactly.is_empty() && self.below.is_empty() {
            return None;
        }
        let mut name = HostName::default();
        let mut name = name.read(host)?;
        if let Some(place) = self.exactly.get(name).and_then(|tree| tree.find(path)) {
            return Some(place);
        }
        while let Some((_, above)) = name.split_once('.') {
            if let Some(place) = self.below.get(above).and_then(|tree| tree.find(path)) {
                return Some(place);
            }
            name = above;
        }
        None
    }
}

/// Whether two readings of a path lead to the same place; which of its handler's patterns a path fits
/// makes no difference.
fn same<T>(one: &Result<Found<'_, T>, Miss>, other: &Result<Found<'_, T>, Miss>) -> bool {
    match (one, other) {
        (Ok(one), Ok(other)) => Arc::ptr_eq(one.target, other.target),
        (Err(one), Err(other)) => one == other,
        (Ok(_), Err(_)) | (Err(_), Ok(_)) => false,
    }
}

impl<T> Place<T> {
    fn found(&self, method: &Method) -> Result<Found<'_, T>, Miss> {
        match self.target(method) {
            Some(target) => Ok(Found { target, pattern: &self.pattern }),
            None => Err(Miss::Method(self.allow())),
        }
    }

    /// A `HEAD` is a `GET` without its body (RFC 9110 §9.3.2), and led where that is led.
    fn target(&self, method: &Method) -> Option<&Arc<T>> {
        let by = |wanted: &Method| {
            self.by_method.iter().find(|(method, _)| method == wanted).map(|(_, target)| target)
        };
        by(method).or_else(|| by(&Method::GET).filter(|_| *method == Method::HEAD)).or(self.any.as_ref())
    }

    fn allow(&self) -> String {
        let mut names: Vec<&str> = self.by_method.iter().map(|(method, _)| method.as_str()).collect();
        if names.contains(&"GET") {
            names.push("HEAD");
        }
        names.sort_unstable();
        names.dedup();
        names.join(", ")
    }
}

#[cfg(test)]
mod tests;
