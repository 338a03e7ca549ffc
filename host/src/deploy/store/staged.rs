//! Versions that a change in progress holds: no clearing away touches them, although no manifest names
//! them yet.

use crate::deploy::version::{Version, VersionId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many hold which file. Its lock is held for a look, and while one file is removed.
#[derive(Debug, Default)]
pub(super) struct Pins(Mutex<HashMap<String, usize>>);

/// What is held at this moment: nobody takes hold of anything, or lets go, while this lives.
#[derive(Debug)]
pub(super) struct Pinned<'a>(MutexGuard<'a, HashMap<String, usize>>);

/// A version that is on the disk, and stays there while this is held.
#[derive(Debug)]
pub struct Staged {
    /// The version.
    pub version: Version,
    /// Its name.
    pub id: VersionId,
    _pins: [Pin; 2],
}

/// One hold on one file.
#[derive(Debug)]
pub(super) struct Pin {
    pins: Arc<Pins>,
    name: String,
}

impl Pins {
    pub(super) fn pin(self: &Arc<Self>, version: Version) -> Staged {
        let id = version.id();
        let pins = [self.pin_id(id), self.hold(component_key(&version.component.hex()))];
        Staged { version, id, _pins: pins }
    }

    pub(super) fn pin_id(self: &Arc<Self>, id: VersionId) -> Pin {
        self.hold(version_key(&id.to_string()))
    }

    pub(super) fn look(&self) -> Pinned<'_> {
        Pinned(self.lock())
    }

    fn hold(self: &Arc<Self>, name: String) -> Pin {
        *self.lock().entry(name.clone()).or_default() += 1;
        Pin { pins: self.clone(), name }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pinned<'_> {
    pub(super) fn holds_version(&self, id: &str) -> bool {
        self.0.contains_key(&version_key(id))
    }

    pub(super) fn holds_component(&self, digest: &str) -> bool {
        self.0.contains_key(&component_key(digest))
    }

    /// Whether a file that is not whole yet may be one that somebody writes at this moment.
    pub(super) fn writes(&self, name: &str) -> bool {
        name.starts_with(super::TEMPORARY) && !self.0.is_empty()
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut held = self.pins.lock();
        if let Some(count) = held.get_mut(&self.name) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.name);
            }
        }
    }
}

fn version_key(id: &str) -> String {
    format!("version {id}")
}

fn component_key(digest: &str) -> String {
    format!("component {digest}")
}
