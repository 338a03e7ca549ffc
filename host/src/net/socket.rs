//! A connection's socket, shared by hyper, which reads and writes it, and by the requests on it, which
//! have to know when their client is gone although nobody reads.

use super::accepted::Accepted;
use rustix::net::sockopt::set_socket_linger;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Bytes that the kernel takes for a socket beyond those on their way. By default it takes megabytes and
/// says that it has room only when a third of them is gone: progress could not be told from none.
const UNSENT_BYTES_MAX: u32 = 64 * 1024;

/// The side that hyper reads and writes.
pub(super) struct Socket(Peer);

/// The side that requests watch.
#[derive(Clone)]
pub(super) struct Peer {
    stream: Arc<Accepted>,
    reset: Arc<AtomicBool>,
}

impl Socket {
    /// Sets `stream` up: answers are written whole, so waiting for more would only delay them; and a
    /// client that leaves them unread for `write_timeout` is disconnected by the kernel, whoever
    /// waits for what.
    pub(super) fn new(stream: Accepted, write_timeout: Duration) -> (Self, Peer) {
        // A Unix socket has neither: nothing is on its way, and its buffer is small.
        if let Accepted::Tcp(stream, _) = &stream {
            // Options that a socket refuses cost speed or patience, no request.
            let _ = stream.set_nodelay(true);
            bound_unread(stream, write_timeout);
            bound_unsent(stream);
        }
        let peer = Peer { stream: Arc::new(stream), reset: Arc::default() };
        (Self(peer.clone()), peer)
    }
}

/// `TCP_USER_TIMEOUT` of tcp(7): also for data that a closed window keeps from being sent.
#[cfg(target_os = "linux")]
fn bound_unread(stream: &TcpStream, timeout: Duration) {
    let ms = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX);
    let _ = rustix::net::sockopt::set_tcp_user_timeout(stream, ms);
}

#[cfg(not(target_os = "linux"))]
fn bound_unread(_stream: &TcpStream, _timeout: Duration) {}

#[cfg(target_os = "linux")]
fn bound_unsent(stream: &TcpStream) {
    let _ = socket2::SockRef::from(stream).set_tcp_notsent_lowat(UNSENT_BYTES_MAX);
}

#[cfg(not(target_os = "linux"))]
fn bound_unsent(_stream: &TcpStream) {}

impl Peer {
    /// Where the connection comes from; nowhere through a Unix socket.
    pub(super) fn address(&self) -> Option<IpAddr> {
        self.stream.peer()
    }

    /// Waits until the connection is reset. A client that only stops sending may still read. Cancel
    /// safe.
    pub(super) async fn gone(&self) {
        self.stream.broken().await;
    }

    /// Waits for the first byte that the client sends and leaves it to be read. Cancel safe.
    pub(super) async fn first_byte(&self) -> io::Result<u8> {
        let mut byte = [0];
        match self.stream.peek(&mut byte).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(byte[0]),
        }
    }

    /// Ends the connection with a reset in place of an orderly close: where a close would mean that
    /// the response is whole.
    pub(super) fn reset(&self) {
        self.reset.store(true, Relaxed);
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.0.reset.load(Relaxed) {
            let _ = set_socket_linger(&*self.0.stream, Some(Duration::ZERO));
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let stream = &self.0.stream;
        loop {
            ready!(stream.poll_read_ready(cx))?;
            match stream.try_read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return Poll::Ready(read.map(drop)),
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.write(cx, |stream| stream.try_write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write(cx, |stream| stream.try_write_vectored(slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = rustix::net::shutdown(&*self.0.stream, rustix::net::Shutdown::Write);
        Poll::Ready(shut.map_err(Into::into))
    }
}

impl Socket {
    fn write(
        &self,
        cx: &mut Context<'_>,
        write: impl Fn(&Accepted) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.0.stream.poll_write_ready(cx))?;
            match write(&self.0.stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }
}
