//! How long a light request takes: one every ten milliseconds for `/hello` and for `/health`, whether
//! or not the ones before it were answered, each on a connection of its own as a new client's is. And
//! how long a single one takes that is waited for patiently, which tells a slow server from a dead one.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::exchange::{ANSWER_BOUND, Exchange, HEALTH, HELLO, Progress, wait};
use super::statistics::Samples;

/// The time between two requests, which take turns.
const INTERVAL: Duration = Duration::from_millis(5);
/// How long the single request is waited for.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// What is asked in turn.
const TURNS: [&[u8]; 2] = [HELLO, HEALTH];

/// What became of the requests.
pub(super) struct Probed {
    /// Those that a guest answers.
    pub(super) hello: Samples,
    /// Those that ask after the server.
    pub(super) health: Samples,
}

/// Sends requests for `duration`, and waits for their answers as long as an answer may take.
///
/// # Errors
///
/// Where the system cannot wait for so many connections.
pub(super) fn probe(address: SocketAddr, duration: Duration) -> Result<Probed> {
    let mut samples = [Samples::default(), Samples::default()];
    // Bounded: no more than begin within the time that an answer may take.
    let mut in_flight: Vec<(usize, Exchange)> = Vec::new();
    let mut turns = (0..TURNS.len()).cycle();
    let mut next = Instant::now();
    let end = next + duration;
    while next < end || !in_flight.is_empty() {
        while next < end && next <= Instant::now() {
            let turn = turns.next().unwrap_or_default();
            match Exchange::open(address, TURNS[turn]) {
                Ok(exchange) => in_flight.push((turn, exchange)),
                Err(_) => samples[turn].refuse(),
            }
            next += INTERVAL;
        }
        let bound = match next < end {
            true => next.saturating_duration_since(Instant::now()),
            false => INTERVAL,
        };
        let ready = wait(in_flight.iter().map(|(_, exchange)| exchange), bound)
            .context("waiting for answers to light requests")?;
        let mut ready = ready.into_iter();
        in_flight.retain_mut(|(turn, exchange)| {
            let is_ready = ready.next().unwrap_or(false);
            !settle(exchange, is_ready, &mut samples[*turn])
        });
    }
    let [hello, health] = samples;
    Ok(Probed { hello, health })
}

/// Sends a single request for hello while there is no other, and returns how long its answer took; none
/// where there was none within `PATIENCE`.
///
/// # Errors
///
/// Where the system cannot wait for it.
pub(super) fn ask_patiently(address: SocketAddr) -> Result<Option<Duration>> {
    let Ok(mut exchange) = Exchange::open(address, HELLO) else { return Ok(None) };
    loop {
        let left = PATIENCE.saturating_sub(exchange.elapsed());
        if left.is_zero() {
            return Ok(None);
        }
        let ready = wait([&exchange].into_iter(), left).context("waiting for one answer")?;
        let progress = match ready == [true] {
            true => exchange.advance(),
            false => Progress::Pending,
        };
        match progress {
            Progress::Pending => {}
            Progress::Answered { ok: true, .. } => return Ok(Some(exchange.elapsed())),
            Progress::Answered { ok: false, .. } | Progress::Failed => return Ok(None),
        }
    }
}

/// Drives an exchange, and says whether it is over: then it has been counted.
fn settle(exchange: &mut Exchange, is_ready: bool, samples: &mut Samples) -> bool {
    let progress = match is_ready {
        true => exchange.advance(),
        false => Progress::Pending,
    };
    let elapsed = exchange.elapsed();
    match progress {
        Progress::Pending if elapsed <= ANSWER_BOUND => return false,
        Progress::Answered { ok: true, .. } if elapsed <= ANSWER_BOUND => samples.answer(elapsed),
        Progress::Answered { ok: true, .. } | Progress::Pending => samples.miss(),
        Progress::Answered { ok: false, .. } | Progress::Failed => samples.refuse(),
    }
    true
}
