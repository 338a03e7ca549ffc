//! Requests that need a known amount of CPU time. A guest that looks at a clock would call waiting
//! work, so the amount is a number of turns of a loop, and how long a turn takes is measured on the idle
//! server just before.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};

use super::answers::ask;

/// The longest that work may take, whatever there is beside it: as long as the host lets it.
pub(in crate::bench) const WORK_BOUND: Duration = Duration::from_secs(35);
/// Some 100 ms of work.
const TRIAL_TURNS: u64 = 50_000_000;
/// How often that is timed. The fastest is what the work takes: others can only make it slower.
const TRIALS: usize = 7;

/// How fast a server works while it does nothing else.
pub(in crate::bench) struct Pace {
    turns_per_second: f64,
}

impl Pace {
    /// Measures the idle server.
    ///
    /// # Errors
    ///
    /// Where it does not answer.
    pub(in crate::bench) fn measure(address: SocketAddr) -> Result<Self> {
        let mut fastest = WORK_BOUND;
        for _ in 0..TRIALS {
            let answer = ask(address, request(TRIAL_TURNS), WORK_BOUND)?;
            fastest = fastest.min(answer.context("the idle host does not answer")?.time);
        }
        Ok(Self::of(TRIAL_TURNS, fastest))
    }

    fn of(turns: u64, time: Duration) -> Self {
        Self { turns_per_second: turns as f64 / time.as_secs_f64() }
    }

    /// The request that needs so much CPU time.
    pub(in crate::bench) fn request(&self, cpu_time: Duration) -> Vec<u8> {
        request((self.turns_per_second * cpu_time.as_secs_f64()) as u64)
    }
}

fn request(turns: u64) -> Vec<u8> {
    format!("GET /work?turns={turns} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_as_many_turns_as_fit_into_its_time() {
        let pace = Pace::of(1_000, Duration::from_millis(100));
        let request = pace.request(Duration::from_millis(50));
        assert_eq!(request, b"GET /work?turns=500 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    }
}
