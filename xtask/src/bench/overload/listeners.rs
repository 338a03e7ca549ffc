//! Clients that listen for events, as many as are wanted, driven by one thread; and whether each got its
//! events when they were due.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::bench::process::pause;

const REQUEST: &[u8] = b"GET /events?ms=1000 HTTP/1.1\r\nHost: localhost\r\n\r\n";
/// What every event has in it once.
const EVENT: &[u8] = b"tick";
/// The time between two that begin: listeners that came in one moment would have their events in one.
const INTERVAL: Duration = Duration::from_millis(1);
/// The time between two looks at all of them, and so how exact a time is. A look at ten thousand for
/// every event would cost the host the cores.
const TICK: Duration = Duration::from_millis(20);

/// Clients, each with a connection of its own.
pub(super) struct Listeners {
    all: Vec<Listener>,
}

struct Listener {
    stream: TcpStream,
    /// Whether the head has come, and is that of a stream.
    is_open: bool,
    is_over: bool,
    events: usize,
    last_at: Instant,
    gap_max: Duration,
}

/// What became of them while they were watched.
pub(super) struct Heard {
    /// How many were open at the begin.
    pub(super) begun: usize,
    /// How many of these were still open at the end.
    pub(super) left: usize,
    /// Events that came.
    pub(super) events: usize,
    /// The longest time without an event, for each that was left; sorted.
    pub(super) gaps: Vec<Duration>,
}

impl Listeners {
    /// Opens `count` of them, and waits until each has had an event, or `bound` is over.
    ///
    /// # Errors
    ///
    /// Where the system has no place for so many, or cannot wait for them.
    pub(super) fn open(address: SocketAddr, count: usize, bound: Duration) -> Result<Self> {
        let mut listeners = Self { all: Vec::with_capacity(count) };
        let begun_at = Instant::now();
        while listeners.all.len() < count {
            let due = (begun_at.elapsed().as_micros() / INTERVAL.as_micros()) as usize;
            while listeners.all.len() < due.min(count) {
                listeners.all.push(Listener::open(address).context("opening a stream")?);
            }
            listeners.look()?;
        }
        let give_up_at = Instant::now() + bound;
        while Instant::now() < give_up_at
            && listeners.all.iter().any(|listener| !listener.is_over && listener.events == 0)
        {
            listeners.look()?;
        }
        listeners.all.retain(|listener| listener.is_open && !listener.is_over);
        Ok(listeners)
    }

    /// Listens for `duration`.
    ///
    /// # Errors
    ///
    /// Where the system cannot wait for so many.
    pub(super) fn hear(&mut self, duration: Duration) -> Result<Heard> {
        let begun_at = Instant::now();
        for listener in &mut self.all {
            (listener.events, listener.gap_max) = (0, Duration::ZERO);
        }
        while begun_at.elapsed() < duration {
            self.look()?;
        }
        let end = Instant::now();
        let left = self.all.iter().filter(|listener| !listener.is_over);
        let mut gaps: Vec<_> =
            left.map(|listener| listener.gap_max.max(end.duration_since(listener.last_at))).collect();
        gaps.sort_unstable();
        Ok(Heard {
            begun: self.all.len(),
            left: gaps.len(),
            events: self.all.iter().map(|listener| listener.events).sum(),
            gaps,
        })
    }

    /// Reads what has come, once in a tick.
    fn look(&mut self) -> Result<()> {
        pause(TICK);
        self.all.retain(|listener| listener.is_open || !listener.is_over);
        let mut fds: Vec<_> =
            self.all.iter().map(|listener| PollFd::new(&listener.stream, PollFlags::IN)).collect();
        match poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error).context("waiting for events"),
        }
        let ready: Vec<_> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        let now = Instant::now();
        for (listener, _) in self.all.iter_mut().zip(ready).filter(|(_, is_ready)| *is_ready) {
            listener.read(now);
        }
        Ok(())
    }
}

impl Listener {
    fn open(address: SocketAddr) -> Result<Self> {
        let mut stream = TcpStream::connect(address)?;
        stream.write_all(REQUEST)?;
        stream.set_nonblocking(true)?;
        let (last_at, gap_max) = (Instant::now(), Duration::ZERO);
        Ok(Self { stream, is_open: false, is_over: false, events: 0, last_at, gap_max })
    }

    fn read(&mut self, now: Instant) {
        let mut chunk = [0; 4096];
        if self.is_over {
            return;
        }
        match self.stream.read(&mut chunk) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Ok(0) | Err(_) => self.is_over = true,
            Ok(length) => {
                let bytes = &chunk[..length];
                if !self.is_open {
                    self.is_open = bytes.starts_with(b"HTTP/1.1 200 ");
                    self.is_over = !self.is_open;
                }
                let events = bytes.windows(EVENT.len()).filter(|window| *window == EVENT).count();
                if events > 0 {
                    self.events += events;
                    self.gap_max = self.gap_max.max(now.duration_since(self.last_at));
                    self.last_at = now;
                }
            }
        }
    }
}
