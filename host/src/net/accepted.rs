//! A connection as it was accepted: over TCP or a Unix socket. Nothing above has to know which.

use rustix::net::RecvFlags;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::task::{Context, Poll};
use tokio::io::{Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// A stream that was accepted.
#[derive(Debug)]
pub(super) enum Accepted {
    /// From this address.
    Tcp(TcpStream, IpAddr),
    /// From this machine, by somebody who may open the socket's file.
    Unix(UnixStream),
}

/// Does the same with either stream.
macro_rules! either {
    ($accepted:expr, $stream:ident => $does:expr) => {
        match $accepted {
            Accepted::Tcp($stream, _) => $does,
            Accepted::Unix($stream) => $does,
        }
    };
}

impl Accepted {
    /// The address that was reached; none of a Unix socket.
    pub(super) fn local(&self) -> io::Result<Option<SocketAddr>> {
        match self {
            Self::Tcp(stream, _) => stream.local_addr().map(Some),
            Self::Unix(_) => Ok(None),
        }
    }

    /// Where the connection comes from; nowhere through a Unix socket.
    pub(super) fn peer(&self) -> Option<IpAddr> {
        match self {
            Self::Tcp(_, peer) => Some(*peer),
            Self::Unix(_) => None,
        }
    }

    pub(super) fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_read_ready(cx))
    }

    pub(super) fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_write_ready(cx))
    }

    /// Reads what is there, into room that nobody has to clear first. A read that leaves room has taken all of it,
    /// as epoll(7) says of streams: so tokio is told, which else would have the next look find nothing.
    pub(super) fn try_read(&self, buffer: &mut ReadBuf<'_>) -> io::Result<usize> {
        let mut count = 0;
        let read = either!(self, stream => stream.try_io(Interest::READABLE, || {
            count = stream.try_read_buf(buffer)?;
            match buffer.remaining() {
                1.. if count > 0 => Err(io::ErrorKind::WouldBlock.into()),
                _ => Ok(()),
            }
        }));
        match read {
            Err(error) if count == 0 => Err(error),
            Err(_) | Ok(()) => Ok(count),
        }
    }

    pub(super) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        either!(self, stream => stream.try_write(bytes))
    }

    pub(super) fn try_write_vectored(&self, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
        either!(self, stream => stream.try_write_vectored(slices))
    }

    /// Waits until the connection is reset. Cancel safe.
    pub(super) async fn broken(&self) {
        // An error of the watch itself says as much.
        let _ = either!(self, stream => stream.ready(Interest::ERROR).await);
    }

    /// Waits for bytes and leaves them to be read; how many there are. Cancel safe.
    pub(super) async fn peek(&self, bytes: &mut [u8]) -> io::Result<usize> {
        either!(self, stream => {
            let look = || Ok(rustix::net::recv(stream, &mut *bytes, RecvFlags::PEEK)?.0);
            stream.async_io(Interest::READABLE, look).await
        })
    }
}

impl AsFd for Accepted {
    fn as_fd(&self) -> BorrowedFd<'_> {
        either!(self, stream => stream.as_fd())
    }
}
