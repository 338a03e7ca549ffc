//! As many answers as a server gives on so many connections, each of which asks again as soon as it was
//! answered.
//!
//! The same connections warm the server up, so what is begun and what is ended in the time that counts is as
//! much; and all of them are answered in the end, so that a request that is lost is told from a slow one.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use mio::{Events, Poll, Token};
use rustix::time::{ClockId, clock_gettime};

use super::connection::{Connection, Scratch, wait};
use super::reply::Step;
use crate::bench::statistics::{Latency, Samples};

/// How often connections that broke are replaced. It paces how often a server that refuses is asked.
const CARE_INTERVAL: Duration = Duration::from_millis(20);
/// How long those that are still going at the end are waited for.
const END_BOUND: Duration = Duration::from_secs(10);

/// What is asked, how long and by how many.
pub(super) struct Crowd<'a> {
    pub(super) address: SocketAddr,
    pub(super) request: &'a [u8],
    pub(super) connections: usize,
    /// How long it asks before anything counts.
    pub(super) warm_up: Duration,
    /// How long it then goes on.
    pub(super) duration: Duration,
}

/// What came of it.
pub(super) struct Answers {
    /// Answers per second.
    pub(super) per_second: f64,
    /// How long they took.
    pub(super) latency: Latency,
    /// How many got something else than an answer, or none.
    pub(super) failed: usize,
    /// The share of a core that asking took. It is one thread: where it had all of a core, it is the client
    /// that was measured.
    pub(super) client_share: f64,
}

/// A crowd that asks.
struct Asking<'a> {
    crowd: &'a Crowd<'a>,
    poll: Poll,
    events: Events,
    scratch: Scratch,
    /// None where one broke or is no longer needed.
    connections: Vec<Option<Connection>>,
    /// Bounded by the duration: a few tens of megabytes a minute.
    samples: Samples,
    failed: usize,
}

/// Which answers count, and what follows them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    WarmUp,
    Counted,
    /// Nothing more is asked.
    End,
}

impl Crowd<'_> {
    /// Asks.
    ///
    /// # Errors
    ///
    /// Where the system cannot wait for the connections.
    pub(super) fn ask(&self) -> Result<Answers> {
        let mut asking = Asking::of(self)?;
        asking.go_on(Phase::WarmUp, self.warm_up)?;
        let (begin, cpu_begin) = (Instant::now(), cpu_seconds());
        asking.go_on(Phase::Counted, self.duration)?;
        let seconds = begin.elapsed().as_secs_f64();
        let per_second = asking.samples.answered_count() as f64 / seconds;
        let client_share = (cpu_seconds() - cpu_begin) / seconds;
        asking.go_on(Phase::End, END_BOUND)?;
        let Asking { connections, samples, failed, .. } = asking;
        let lost = connections.iter().flatten().count();
        Ok(Answers { per_second, latency: samples.latency(), failed: failed + lost, client_share })
    }
}

impl<'a> Asking<'a> {
    fn of(crowd: &'a Crowd<'a>) -> Result<Self> {
        let mut connections = Vec::new();
        connections.resize_with(crowd.connections, || None);
        Ok(Self {
            crowd,
            poll: Poll::new().context("waiting for connections")?,
            events: Events::with_capacity(crowd.connections),
            scratch: Scratch::default(),
            connections,
            samples: Samples::default(),
            failed: 0,
        })
    }

    /// Goes on for `duration`; in the end until all are answered, if that is sooner.
    fn go_on(&mut self, phase: Phase, duration: Duration) -> Result<()> {
        let end = Instant::now() + duration;
        let mut care_at = Instant::now();
        loop {
            let now = Instant::now();
            if now >= end || (phase == Phase::End && self.connections.iter().all(Option::is_none)) {
                return Ok(());
            }
            if now >= care_at {
                care_at = now + CARE_INTERVAL;
                if phase != Phase::End {
                    self.open_missing();
                }
            }
            let bound = care_at.min(end).saturating_duration_since(now);
            wait(&mut self.poll, &mut self.events, bound).context("waiting for answers")?;
            self.advance(phase);
        }
    }

    fn open_missing(&mut self) {
        for (place, connection) in self.connections.iter_mut().enumerate() {
            if connection.is_none() {
                *connection = Connection::open(self.crowd.address, &self.poll, Token(place)).ok();
            }
        }
    }

    /// Does what can be done without waiting.
    fn advance(&mut self, phase: Phase) {
        let request = self.crowd.request;
        for event in &self.events {
            let place = &mut self.connections[event.token().0];
            let Some(connection) = place else { continue };
            let step = connection.advance(request, &mut self.scratch);
            let reusable = match step {
                Ok(Step::Partial) => continue,
                Ok(Step::Whole { status: 200, reusable }) => {
                    if phase == Phase::Counted {
                        self.samples.answer(connection.elapsed());
                    }
                    reusable
                }
                Ok(Step::Whole { .. } | Step::Malformed) | Err(_) => {
                    self.failed += 1;
                    self.samples.refuse();
                    false
                }
            };
            if phase == Phase::End || !reusable || connection.repeat(request).is_err() {
                *place = None;
            }
        }
    }
}

/// The CPU time that this thread has had.
fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
