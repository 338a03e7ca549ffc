//! How long one request takes while there is no other: what a client of a quiet host waits for.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mio::{Events, Poll, Token};

use super::connection::{Connection, Scratch, wait};
use super::reply::Step;
use crate::bench::process::pause;
use crate::bench::statistics::{Latency, Samples};

/// The rest before a request on an open connection: the server has nothing left to do.
const WARM_REST: Duration = Duration::from_millis(5);
/// The rest before a request on a new connection: long enough for threads to sleep and caches to forget.
const COLD_REST: Duration = Duration::from_millis(20);
/// The longest that an answer is waited for.
const ANSWER_BOUND: Duration = Duration::from_secs(10);

/// Requests that are sent one after the other.
pub(super) struct Alone<'a> {
    pub(super) address: SocketAddr,
    pub(super) request: &'a [u8],
    /// Whether each comes on a connection of its own, after a longer rest.
    pub(super) new_connections: bool,
}

impl Alone<'_> {
    /// Asks for `duration`, and returns how long answers took, and how many requests had none.
    ///
    /// # Errors
    ///
    /// Where the system cannot wait for an answer.
    pub(super) fn ask(&self, duration: Duration) -> Result<(Latency, usize)> {
        let mut client = Client::new()?;
        let mut samples = Samples::default();
        let mut failed = 0;
        let end = Instant::now() + duration;
        while Instant::now() < end {
            match self.new_connections {
                true => {
                    client.connection = None;
                    pause(COLD_REST);
                }
                false => pause(WARM_REST),
            }
            match client.ask(self)? {
                Some(time) => samples.answer(time),
                None => {
                    samples.refuse();
                    failed += 1;
                }
            }
        }
        Ok((samples.latency(), failed))
    }

    /// Asks once, and makes sure of the answer: of the beginning of its body and of its length.
    ///
    /// # Errors
    ///
    /// Where there is none, or it is something else.
    pub(super) fn check(&self, is_answer: impl Fn(&[u8], usize) -> bool) -> Result<()> {
        let mut client = Client::new()?;
        ensure!(client.ask(self)?.is_some(), "no answer, or one that is not 200");
        let reply = client.connection.as_ref().context("it closed the connection")?.reply();
        ensure!(
            is_answer(reply.kept(), reply.body_bytes()),
            "{} bytes that begin with {:?}",
            reply.body_bytes(),
            String::from_utf8_lossy(reply.kept())
        );
        Ok(())
    }
}

/// One that asks, and has a connection as long as that is good for another request.
struct Client {
    poll: Poll,
    events: Events,
    scratch: Scratch,
    connection: Option<Connection>,
}

impl Client {
    fn new() -> Result<Self> {
        Ok(Self {
            poll: Poll::new().context("waiting for a connection")?,
            events: Events::with_capacity(1),
            scratch: Scratch::default(),
            connection: None,
        })
    }

    /// How long an answer took; none where it was none, or something else.
    fn ask(&mut self, Alone { address, request, .. }: &Alone<'_>) -> Result<Option<Duration>> {
        let going = match &mut self.connection {
            Some(connection) => connection.repeat(request).is_ok(),
            none @ None => {
                *none = Connection::open(*address, &self.poll, Token(0)).ok();
                none.is_some()
            }
        };
        let answered = match going {
            true => self.answer(request)?,
            false => None,
        };
        if answered.is_none() {
            self.connection = None;
        }
        Ok(answered)
    }

    fn answer(&mut self, request: &[u8]) -> Result<Option<Duration>> {
        let Some(connection) = &mut self.connection else { return Ok(None) };
        loop {
            let left = ANSWER_BOUND.saturating_sub(connection.elapsed());
            if left.is_zero() {
                return Ok(None);
            }
            wait(&mut self.poll, &mut self.events, left).context("waiting for an answer")?;
            match connection.advance(request, &mut self.scratch) {
                Ok(Step::Partial) => {}
                Ok(Step::Whole { status: 200, .. }) => return Ok(Some(connection.elapsed())),
                Ok(Step::Whole { .. } | Step::Malformed) | Err(_) => return Ok(None),
            }
        }
    }
}
