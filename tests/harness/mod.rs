//! What every test of the real binary needs: a host on a port of its own, a client, a witness that
//! asks `/health` all the while, and a look at what the process holds.

#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "each test target uses its own part of the harness"
)]

pub mod bombs;
mod client;
mod connection;
pub mod frames;
mod h2;
mod process;
pub mod registry;
mod server;
pub mod tls;
mod witness;

pub use self::h2::{H2, Sent};
pub use client::{Answer, Client};
pub use connection::Connection;
pub use frames::{Frame, Frames, head, kind, literal};
pub use process::{ChildProcess, Holdings, ThreadUse};
pub use server::{Log, Server, command, component, guest, run, workspace};
pub use witness::{Testimony, Witness};

use std::time::{Duration, Instant};

/// The generous bound of every wait for an event.
pub const SOON: Duration = Duration::from_secs(60);

/// Waits until `done`, for [`SOON`] at most.
#[track_caller]
pub fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let due = Instant::now() + SOON;
    while !done() {
        assert!(Instant::now() < due, "still waiting: {what}");
        pause(Duration::from_millis(2));
    }
}

/// Lets time pass between two looks at something that sends no event.
#[expect(clippy::disallowed_methods, reason = "polls /proc and sockets, which send no events")]
pub fn pause(time: Duration) {
    std::thread::sleep(time);
}
