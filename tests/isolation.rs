//! What hostile guests, rude clients and a failing machine do to the real binary, one at a time: the
//! claims are about time, memory and the whole process, so no two of these tests ever overlap.

#![allow(clippy::print_stdout, reason = "a claim about time or memory is told with its figures")]

#[path = "isolation/clients.rs"]
mod clients;
#[path = "isolation/clock.rs"]
mod clock;
#[path = "isolation/compiler.rs"]
mod compiler;
#[path = "isolation/compiling.rs"]
mod compiling;
mod harness;
#[path = "isolation/instances.rs"]
mod instances;
#[path = "isolation/languages.rs"]
mod languages;
#[path = "isolation/memory.rs"]
mod memory;
#[path = "isolation/overload.rs"]
mod overload;
#[path = "isolation/profiles.rs"]
mod profiles;
#[path = "isolation/sharing.rs"]
mod sharing;
#[path = "isolation/storms.rs"]
mod storms;
#[path = "isolation/threads.rs"]
mod threads;
#[path = "isolation/time.rs"]
mod time;

use harness::{Answer, Server, Testimony, Witness};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Executor threads of every host here, whatever the machine has.
const THREADS: usize = 2;

/// What code is compiled for. What keeps guests apart must hold for either.
const PROFILES: [&[&str]; 2] = [&["--code-profile", "latency"], &["--code-profile", "compute"]];

/// How late the end of a wait may be seen on a machine that is busy with other things, too.
const LATE_MAX: Duration = Duration::from_millis(250);

/// Held by each test from its first line to its last.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    // A test that failed leaves nothing behind that the next one could stumble over.
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A host that a witness watches from its start to its end.
struct Trial {
    server: Server,
    witness: Witness,
}

impl Trial {
    /// Serves `component` on [`THREADS`] threads, with log lines to be read by a test.
    #[track_caller]
    fn begin(component: &str, arguments: &[&str]) -> Self {
        Self::begin_with(component, arguments, |_| {})
    }

    /// The same, with a last word on the command.
    #[track_caller]
    fn begin_with(component: &str, arguments: &[&str], change: impl FnOnce(&mut Command)) -> Self {
        let threads = THREADS.to_string();
        let arguments = [&["--threads", &threads, "--log-format", "json"], arguments].concat();
        let server = Server::start_with(component, &arguments, change);
        let witness = Witness::start(server.client());
        Self { server, witness }
    }

    /// Sends a GET and waits for its answer.
    #[track_caller]
    fn get(&self, path: &str) -> Answer {
        self.server.client().get(path)
    }

    /// Sends `count` GETs at once and waits for all of their answers.
    #[track_caller]
    fn get_together(&self, path: &str, count: usize) -> Vec<Answer> {
        let client = self.server.client();
        let waiting: Vec<_> = (0..count).map(|_| client.get_later(path)).collect();
        let join = |answer: std::thread::JoinHandle<_>| answer.join().expect("client thread");
        waiting.into_iter().map(|answer| join(answer).expect("a head")).collect()
    }

    /// The log line of the first request that ended for `reason`.
    #[track_caller]
    fn request_line(&self, reason: &str) -> serde_json::Value {
        let reason = format!("\"reason\":\"{reason}\"");
        let line = self.server.log.wait_for(&["\"message\":\"request\"", &reason]);
        serde_json::from_str(&line).expect("a JSON log line")
    }

    /// Ends the trial: every probe was answered all the while, and no instance is left. Returns what
    /// the witness saw.
    #[track_caller]
    fn end(self) -> Testimony {
        self.server.wait_idle();
        let testimony = self.witness.testify();
        println!("  {testimony}");
        testimony.assert_unharmed();
        self.server.stop();
        testimony
    }
}
