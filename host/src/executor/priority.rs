//! How much a class counts with the kernel: the priority of the calling thread. Lowering one's own
//! needs no privilege, but a container may forbid it and not every system has it by thread.

use super::class::Class;
use crate::config::HogPriority;
use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy,
    thread_native_id,
};

/// What the classes below `fresh` run at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Priorities {
    pub(super) busy_nice: i32,
    pub(super) hog: HogPriority,
}

impl Priorities {
    /// Gives the calling thread the priority of `class`.
    ///
    /// # Errors
    /// What the system said, if it refuses.
    pub(super) fn apply(&self, class: Class) -> Result<(), String> {
        match (class, self.hog) {
            (Class::Fresh, _) => Ok(()),
            (Class::Busy, _) => nice(self.busy_nice),
            (Class::Hog, HogPriority::Idle) => idle(),
            (Class::Hog, HogPriority::Nice(nice_by)) => nice(nice_by),
        }
    }
}

/// `setpriority(2)` without a process means the calling thread, on Linux.
#[cfg(target_os = "linux")]
fn nice(by: i32) -> Result<(), String> {
    rustix::process::setpriority_process(None, by).map_err(|error| format!("nice {by}: {error}"))
}

/// Elsewhere it would mean the whole process.
#[cfg(not(target_os = "linux"))]
fn nice(_by: i32) -> Result<(), String> {
    Err("this system has no nice value for a thread".to_owned())
}

/// `SCHED_IDLE` of sched(7): runs when nothing else does.
#[cfg(target_os = "linux")]
fn idle() -> Result<(), String> {
    let policy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, policy)
        .map_err(|error| format!("SCHED_IDLE: {error:?}"))
}

#[cfg(not(target_os = "linux"))]
fn idle() -> Result<(), String> {
    Err("this system has no SCHED_IDLE".to_owned())
}
