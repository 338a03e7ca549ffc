//! How much a server gets done: as many hellos as it answers on thirty-two connections that are kept
//! open, each of which asks again as soon as it was answered.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::exchange::{Exchange, HELLO, Progress, wait};

/// How many ask at a time.
pub(super) const CONNECTIONS: usize = 32;
/// How often connections that broke are replaced. It paces how often a server that refuses is asked.
/// Nobody is given up for being slow: that would make a slow server look like one that is dead.
const CARE_INTERVAL: Duration = Duration::from_millis(20);

/// Asks for `duration`, and returns how many answers there were per second.
///
/// # Errors
///
/// Where the system cannot wait for the connections.
pub(super) fn load(address: SocketAddr, duration: Duration) -> Result<f64> {
    let mut connections: Vec<Exchange> = Vec::with_capacity(CONNECTIONS);
    let mut answered = 0_usize;
    let begin = Instant::now();
    let end = begin + duration;
    let mut care_at = begin;
    loop {
        let now = Instant::now();
        if now >= end {
            break;
        }
        if now >= care_at {
            care_at = now + CARE_INTERVAL;
            let missing = CONNECTIONS - connections.len();
            connections.extend((0..missing).filter_map(|_| Exchange::open(address, HELLO).ok()));
        }
        let bound = care_at.min(end).saturating_duration_since(now);
        let mut ready = wait(connections.iter(), bound).context("waiting for answers")?.into_iter();
        connections.retain_mut(|connection| {
            if !ready.next().unwrap_or(false) {
                return true;
            }
            match connection.advance() {
                Progress::Pending => true,
                Progress::Failed => false,
                Progress::Answered { ok, reusable } => {
                    answered += usize::from(ok);
                    // No answer can be there yet; should one be, the next turn finds it.
                    reusable && connection.repeat() == Progress::Pending
                }
            }
        });
    }
    Ok(answered as f64 / begin.elapsed().as_secs_f64())
}
