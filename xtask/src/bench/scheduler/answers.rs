//! Requests that are waited for: one, or several that begin at once.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::bench::exchange::{Exchange, Progress, wait};

/// How long it takes at most until an answer is noticed to be missing.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// A request that was answered with what was asked for.
pub(in crate::bench) struct Answer {
    /// How long it took.
    pub(in crate::bench) time: Duration,
    /// All of the response.
    pub(in crate::bench) response: Vec<u8>,
}

/// Sends one request, and waits for up to `bound`; none where no good answer came.
///
/// # Errors
///
/// Where the system cannot wait.
pub(in crate::bench) fn ask(
    address: SocketAddr,
    request: Vec<u8>,
    bound: Duration,
) -> Result<Option<Answer>> {
    Ok(ask_at_once(address, vec![request], bound)?.pop().flatten())
}

/// Sends `requests` at once, each on a connection of its own, and waits for up to `bound`. The answers
/// are in the order of the requests; none stands for one that did not come, or was no good one.
///
/// # Errors
///
/// Where the system cannot wait for so many.
pub(in crate::bench) fn ask_at_once(
    address: SocketAddr,
    requests: Vec<Vec<u8>>,
    bound: Duration,
) -> Result<Vec<Option<Answer>>> {
    let mut answers: Vec<_> = requests.iter().map(|_| None).collect();
    let open = |(place, request)| Some((place, Exchange::open(address, request).ok()?));
    let mut going: Vec<(usize, Exchange)> = requests.into_iter().enumerate().filter_map(open).collect();
    while !going.is_empty() {
        let ready = wait(going.iter().map(|(_, exchange)| exchange), LOOK_INTERVAL);
        let mut ready = ready.context("waiting for answers")?.into_iter();
        going.retain_mut(|(place, exchange)| {
            let progress = match ready.next().unwrap_or(false) {
                true => exchange.advance(),
                false => Progress::Pending,
            };
            let time = exchange.elapsed();
            match progress {
                Progress::Pending => return time <= bound,
                Progress::Answered { ok: true, .. } => {
                    answers[*place] = Some(Answer { time, response: exchange.response().to_vec() });
                }
                Progress::Answered { ok: false, .. } | Progress::Failed => {}
            }
            false
        });
    }
    Ok(answers)
}
