//! A witness: asks `/health` fifty times a second from outside while a test does its worst.

use super::{Client, pause};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const PERIOD: Duration = Duration::from_millis(20);

/// Probes until [`Self::testify`] or [`Self::assert_all_succeeded`].
pub struct Witness {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Testimony>,
}

/// What a witness has seen.
#[derive(Clone, Debug, Default)]
pub struct Testimony {
    pub probes: u32,
    pub failures: Vec<String>,
    /// The probe that took longest.
    pub slowest: Duration,
    /// From the first probe to the last.
    pub watched: Duration,
}

impl Witness {
    pub fn start(client: Client) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || watch(client, &stopped));
        Self { stop, thread }
    }

    /// Ends the probes; every one of them must have been answered. Returns how many there were.
    #[track_caller]
    pub fn assert_all_succeeded(self) -> u32 {
        let testimony = self.testify();
        testimony.assert_unharmed();
        testimony.probes
    }

    /// Ends the probes and tells how they went.
    pub fn testify(self) -> Testimony {
        self.stop.store(true, Relaxed);
        self.thread.join().expect("witness")
    }
}

fn watch(client: Client, stopped: &AtomicBool) -> Testimony {
    let mut seen = Testimony::default();
    let started = Instant::now();
    // Once at least, however soon it is over.
    loop {
        let began = Instant::now();
        match client.send("GET", "/health", &[], None) {
            Ok(answer) if answer.status == 200 && !answer.broken => {}
            other => seen.failures.push(format!("{other:?}")),
        }
        let took = began.elapsed();
        seen.probes += 1;
        seen.slowest = seen.slowest.max(took);
        if stopped.load(Relaxed) {
            break;
        }
        pause(PERIOD.saturating_sub(took));
    }
    seen.watched = started.elapsed();
    seen
}

impl Testimony {
    /// Asserts that every probe was answered.
    #[track_caller]
    pub fn assert_unharmed(&self) {
        let Self { probes, failures, .. } = self;
        assert!(failures.is_empty(), "{} of {probes} probes failed: {:?}", failures.len(), failures.first());
        assert!(*probes > 0, "nobody asked");
    }

    /// Probes a second.
    pub fn rate(&self) -> f64 {
        f64::from(self.probes) / self.watched.as_secs_f64()
    }
}

impl fmt::Display for Testimony {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failed = self.failures.len();
        write!(
            f,
            "/health: {} probes in {:.1?}, {failed} failed, slowest {:.1?}",
            self.probes, self.watched, self.slowest
        )
    }
}
