//! How much a server gets done: as many hellos as it answers on thirty-two connections that are kept
//! open, each of which asks again as soon as it was answered. And how long each took meanwhile.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

use super::exchange::{ANSWER_BOUND, Exchange, HELLO, Progress, wait};
use super::statistics::{Latency, Samples};

/// How many ask at a time.
pub(super) const CONNECTIONS: usize = 32;
/// How often connections that broke are replaced. It paces how often a server that refuses is asked.
/// Nobody is given up for being slow: that would make a slow server look like one that is dead.
const CARE_INTERVAL: Duration = Duration::from_millis(20);

/// The longest that the load goes on beside something else, should that never end.
const BESIDE_TIME_MAX: Duration = Duration::from_secs(15 * 60);

/// What came of a load.
#[derive(Debug, Clone, Copy)]
pub(super) struct Loaded {
    /// Answers per second.
    pub(super) per_second: f64,
    /// How long they took.
    pub(super) latency: Latency,
    /// Hellos that got something else than an answer, or none. Among a million, a share hides one.
    pub(super) failed: usize,
}

/// Asks for `duration`.
///
/// # Errors
///
/// Where the system cannot wait for the connections.
pub(super) fn load(address: SocketAddr, duration: Duration) -> Result<Loaded> {
    load_with(address, HELLO, duration)
}

/// Asks for something else than hellos, for `duration`.
///
/// # Errors
///
/// Where the system cannot wait for the connections.
pub(super) fn load_with(address: SocketAddr, request: &[u8], duration: Duration) -> Result<Loaded> {
    load_until(address, request, &AtomicBool::new(false), duration)
}

/// Asks for as long as `task` takes, from a thread of its own.
///
/// # Errors
///
/// Where the system cannot wait for the connections, and those of `task`.
pub(super) fn load_beside<T>(address: SocketAddr, task: impl FnOnce() -> Result<T>) -> Result<(Loaded, T)> {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let load = scope.spawn(|| load_until(address, HELLO, &over, BESIDE_TIME_MAX));
        let done = task();
        over.store(true, Ordering::Relaxed);
        let loaded = load.join().map_err(|_| anyhow!("the load panicked"))??;
        Ok((loaded, done?))
    })
}

/// Asks until it is `over`, for `duration` at most.
fn load_until(address: SocketAddr, request: &[u8], over: &AtomicBool, duration: Duration) -> Result<Loaded> {
    let mut connections: Vec<Exchange> = Vec::with_capacity(CONNECTIONS);
    // Bounded by the duration: a few tens of megabytes a minute.
    let mut samples = Samples::default();
    let mut answered = 0_usize;
    let mut failed = 0_usize;
    let begin = Instant::now();
    let end = begin + duration;
    let mut care_at = begin;
    loop {
        let now = Instant::now();
        if now >= end || over.load(Ordering::Relaxed) {
            break;
        }
        if now >= care_at {
            care_at = now + CARE_INTERVAL;
            let missing = CONNECTIONS - connections.len();
            connections.extend((0..missing).filter_map(|_| Exchange::open(address, request.to_vec()).ok()));
        }
        let bound = care_at.min(end).saturating_duration_since(now);
        let mut ready = wait(connections.iter(), bound).context("waiting for answers")?.into_iter();
        connections.retain_mut(|connection| {
            if !ready.next().unwrap_or(false) {
                return true;
            }
            match connection.advance() {
                Progress::Pending => true,
                Progress::Failed => {
                    failed += 1;
                    samples.refuse();
                    false
                }
                Progress::Answered { ok, reusable } => {
                    answered += usize::from(ok);
                    failed += usize::from(!ok);
                    match ok {
                        true => samples.answer(connection.elapsed()),
                        false => samples.refuse(),
                    }
                    // No answer can be there yet; should one be, the next turn finds it.
                    reusable && connection.repeat() == Progress::Pending
                }
            }
        });
    }
    let per_second = answered as f64 / begin.elapsed().as_secs_f64();
    // Those that are still going count only where they should long have been answered.
    let stuck = connections.iter().filter(|connection| connection.elapsed() > ANSWER_BOUND).count();
    (0..stuck).for_each(|_| samples.miss());
    Ok(Loaded { per_second, latency: samples.latency(), failed: failed + stuck })
}
