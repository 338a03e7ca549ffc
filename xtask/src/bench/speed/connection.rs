//! A connection of a client that takes little from the server that it measures: it never waits for one,
//! sends and receives at once, and keeps no response.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::reply::{Reply, Step};

/// How much is read at a time.
const CHUNK_BYTES: usize = 64 * 1024;

/// A connection with one request on it.
pub(super) struct Connection {
    stream: TcpStream,
    sent_bytes: usize,
    reply: Reply,
    begun: Instant,
}

/// Where bytes are read into, shared by all connections.
pub(super) struct Scratch(Box<[u8]>);

impl Default for Scratch {
    fn default() -> Self {
        Self(vec![0; CHUNK_BYTES].into_boxed_slice())
    }
}

impl Connection {
    /// Begins to connect. Time runs from here. `poll` tells with `token` when there is more to do.
    ///
    /// # Errors
    ///
    /// Where the system refuses the connection at once.
    pub(super) fn open(address: SocketAddr, poll: &Poll, token: Token) -> io::Result<Self> {
        let begun = Instant::now();
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        poll.registry().register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self { stream, sent_bytes: 0, reply: Reply::default(), begun })
    }

    /// Sends `request` anew, on a connection whose response was whole. Time runs anew.
    ///
    /// # Errors
    ///
    /// Where the connection broke.
    pub(super) fn repeat(&mut self, request: &[u8]) -> io::Result<()> {
        self.sent_bytes = 0;
        self.reply.begin();
        self.begun = Instant::now();
        self.send(request)
    }

    /// Does what can be done without waiting.
    ///
    /// # Errors
    ///
    /// Where the connection broke, or has ended before its response.
    pub(super) fn advance(&mut self, request: &[u8], scratch: &mut Scratch) -> io::Result<Step> {
        self.send(request)?;
        // Bounded by what is there: a whole response ends it, or that there is no more yet.
        loop {
            match self.stream.read(&mut scratch.0) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(length) => match self.reply.take(&scratch.0[..length]) {
                    Step::Partial => {}
                    step @ (Step::Whole { .. } | Step::Malformed) => return Ok(step),
                },
                Err(error) if is_early(&error) => return Ok(Step::Partial),
                Err(error) => return Err(error),
            }
        }
    }

    /// How long ago the request was begun.
    pub(super) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// What has come of the response.
    pub(super) fn reply(&self) -> &Reply {
        &self.reply
    }

    fn send(&mut self, request: &[u8]) -> io::Result<()> {
        while self.sent_bytes < request.len() {
            match self.stream.write(&request[self.sent_bytes..]) {
                Ok(length) => self.sent_bytes += length,
                Err(error) if is_early(&error) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Whether it will do later: nothing is there yet, or it still connects.
fn is_early(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected)
}

/// Waits until something can go on, for `bound` at most.
///
/// # Errors
///
/// Where the system cannot wait.
pub(super) fn wait(poll: &mut Poll, events: &mut Events, bound: Duration) -> io::Result<()> {
    match poll.poll(events, Some(bound)) {
        Err(error) if error.kind() != ErrorKind::Interrupted => Err(error),
        _ => Ok(()),
    }
}
