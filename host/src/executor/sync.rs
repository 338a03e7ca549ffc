//! What the queues synchronise with. In one place, so that `model.rs` can put a model checker's
//! primitives in their stead and look at every step between threads.

pub(super) use arc_swap::ArcSwapOption;
pub(super) use crossbeam_queue::SegQueue;
pub(super) use std::sync::atomic::{AtomicBool, AtomicIsize, AtomicUsize};
pub(super) use std::sync::{Mutex, MutexGuard};
pub(super) use std::thread::{Thread, current, park, yield_now};
pub(super) use std::thread_local;
