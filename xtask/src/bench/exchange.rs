//! One request and its response on a connection that blocks nobody: what all load here is made of.
//!
//! A server that is wedged does not even accept, so nothing may wait for a single connection. One
//! thread drives all of them, and takes as little as possible from the server that it measures.

use std::borrow::Cow;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType, connect, socket};

use super::response::{Parsed, parse};

/// A request that is answered as soon as it is run.
pub(super) const HELLO: &[u8] = b"GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n";
/// The request that a supervisor sends.
pub(super) const HEALTH: &[u8] = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
/// A request that never ends.
pub(super) const SPIN: &[u8] = b"GET /spin HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// How long an answer may take. What takes longer has failed.
pub(super) const ANSWER_BOUND: Duration = Duration::from_secs(2);
/// The most that is read of a response.
const RESPONSE_BYTES_MAX: usize = 16 * 1024;

/// A connection with one request on it.
pub(super) struct Exchange {
    stream: TcpStream,
    request: Cow<'static, [u8]>,
    sent_bytes: usize,
    response: Vec<u8>,
    begun: Instant,
}

/// How far an exchange is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// There is more to come.
    Pending,
    /// The response is whole.
    Answered {
        /// Whether it is what was asked for.
        ok: bool,
        /// Whether the connection can take another request.
        reusable: bool,
    },
    /// The connection broke, or what came is no response.
    Failed,
}

impl Exchange {
    /// Begins to connect, for `request`. Time runs from here.
    ///
    /// # Errors
    ///
    /// Where the system refuses the connection at once.
    pub(super) fn open(address: SocketAddr, request: impl Into<Cow<'static, [u8]>>) -> io::Result<Self> {
        let stream = TcpStream::from(socket(AddressFamily::INET, SocketType::STREAM, None)?);
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let begun = Instant::now();
        match connect(&stream, &address) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        let request = request.into();
        Ok(Self { stream, request, sent_bytes: 0, response: Vec::with_capacity(512), begun })
    }

    /// Sends the same request again, on a connection whose response was whole. Time runs anew.
    pub(super) fn repeat(&mut self) -> Progress {
        self.sent_bytes = 0;
        self.response.clear();
        self.begun = Instant::now();
        self.advance()
    }

    /// Does what can be done without waiting.
    pub(super) fn advance(&mut self) -> Progress {
        match self.send().and_then(|()| self.receive()) {
            Ok(progress) => progress,
            // Not connected: it still connects.
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => {
                Progress::Pending
            }
            Err(_) => Progress::Failed,
        }
    }

    /// Whether all of the request is on its way.
    pub(super) fn is_sent(&self) -> bool {
        self.sent_bytes == self.request.len()
    }

    /// How long ago the connection was begun, or the request was repeated.
    pub(super) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// What has come of the response: all of it, once it is whole.
    pub(super) fn response(&self) -> &[u8] {
        &self.response
    }

    fn send(&mut self) -> io::Result<()> {
        while !self.is_sent() {
            self.sent_bytes += self.stream.write(&self.request[self.sent_bytes..])?;
        }
        Ok(())
    }

    fn receive(&mut self) -> io::Result<Progress> {
        let mut chunk = [0; 2048];
        // Bounded by the size of a response.
        loop {
            let length = self.stream.read(&mut chunk)?;
            self.response.extend_from_slice(&chunk[..length]);
            match parse(&self.response) {
                Parsed::Whole { status, reusable } => {
                    return Ok(Progress::Answered { ok: status == 200, reusable });
                }
                Parsed::Partial if length > 0 && self.response.len() < RESPONSE_BYTES_MAX => {}
                Parsed::Partial | Parsed::Malformed => return Ok(Progress::Failed),
            }
        }
    }
}

/// Waits until some of `exchanges` can go on, or `bound` is over, and says which can.
///
/// # Errors
///
/// Where the system cannot wait for so many.
pub(super) fn wait<'a>(
    exchanges: impl Iterator<Item = &'a Exchange>,
    bound: Duration,
) -> io::Result<Vec<bool>> {
    let interest = |exchange: &'a Exchange| match exchange.is_sent() {
        true => PollFd::new(&exchange.stream, PollFlags::IN),
        false => PollFd::new(&exchange.stream, PollFlags::OUT),
    };
    let mut fds: Vec<_> = exchanges.map(interest).collect();
    let bound = Timespec::try_from(bound).map_err(io::Error::other)?;
    match poll(&mut fds, Some(&bound)) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(fds.iter().map(|fd| !fd.revents().is_empty()).collect())
}
