//! Listening sockets, of TCP and Unix, made here or passed by a service manager. What is left behind in
//! the file system is cleaned up, and nobody who was let in by the kernel is left standing.

use super::accepted::Accepted;
use crate::config::ListenAt;
#[cfg(target_os = "linux")]
use socket2::{SockFilter, SockRef};
use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener as StdTcpListener};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::{Path, PathBuf};
use std::task::{Context, Poll, ready};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

/// Clients that may wait to be accepted at one socket: more than any is given room for.
const WAITING_MAX: usize = 4096;

/// A bound socket.
#[derive(Debug)]
pub struct Listener {
    socket: Bound,
    /// Somebody else's, who keeps it open when this process is gone.
    inherited: bool,
}

#[derive(Debug)]
enum Bound {
    Tcp(TcpListener, SocketAddr),
    Unix(UnixListener, SocketFile),
}

/// The file of a Unix socket.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    /// Which file it was when it was made; none if it is not ours to remove.
    made: Option<(u64, u64)>,
}

impl Listener {
    /// Binds `address`; port 0 takes a free one.
    ///
    /// # Errors
    /// If the address is taken, not this machine's, or not allowed.
    pub async fn tcp(address: SocketAddr) -> io::Result<Self> {
        let socket = TcpListener::bind(address).await?;
        let address = socket.local_addr()?;
        Ok(Self { socket: Bound::Tcp(socket, address), inherited: false })
    }

    /// Binds the Unix socket `path`. A socket that nobody listens on any more is replaced.
    ///
    /// # Errors
    /// If somebody listens there, something else is there, or it is not allowed.
    pub async fn unix(path: &Path) -> io::Result<Self> {
        let socket = match UnixListener::bind(path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_stale(path).await => {
                fs::remove_file(path)?;
                UnixListener::bind(path)?
            }
            bound => bound?,
        };
        let made = fs::symlink_metadata(path).ok().map(|file| (file.dev(), file.ino()));
        let file = SocketFile { path: path.to_owned(), made };
        Ok(Self { socket: Bound::Unix(socket, file), inherited: false })
    }

    /// Serves a TCP socket that somebody else bound and listens on. To be called in a runtime.
    ///
    /// # Errors
    /// If it cannot be watched.
    pub fn inherited_tcp(socket: StdTcpListener) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        Ok(Self { socket: Bound::Tcp(TcpListener::from_std(socket)?, address), inherited: true })
    }

    /// The same for a Unix socket, whose file is not ours.
    ///
    /// # Errors
    /// If it cannot be watched.
    pub fn inherited_unix(socket: StdUnixListener) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let path = socket.local_addr()?.as_pathname().unwrap_or(Path::new("")).to_owned();
        let file = SocketFile { path, made: None };
        Ok(Self { socket: Bound::Unix(UnixListener::from_std(socket)?, file), inherited: true })
    }

    /// Where it listens, with the real port.
    pub fn place(&self) -> ListenAt {
        match &self.socket {
            Bound::Tcp(_, address) => ListenAt::Tcp(*address),
            Bound::Unix(_, file) => ListenAt::Unix(file.path.clone()),
        }
    }

    /// The next connection.
    pub(super) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted>> {
        Poll::Ready(match &self.socket {
            Bound::Tcp(socket, _) => {
                ready!(socket.poll_accept(cx)).map(|(stream, peer)| Accepted::Tcp(stream, peer.ip()))
            }
            Bound::Unix(socket, _) => {
                ready!(socket.poll_accept(cx)).map(|(stream, _)| Accepted::Unix(stream))
            }
        })
    }

    /// Whether the socket is somebody else's, who has others accept there.
    pub(super) fn inherited(&self) -> bool {
        self.inherited
    }

    /// Lets nobody begin to connect any more; whether those who have begun may come in late. The kernel
    /// would reset whoever it lets in between the last look at a queue and the end of its socket.
    pub(super) fn hush(&self) -> bool {
        match &self.socket {
            Bound::Tcp(socket, _) => refuse_syn(socket),
            // Who connects is in the queue at once.
            Bound::Unix(..) => false,
        }
    }

    /// Stops listening. Clients that the kernel let in but nobody has accepted would be lost with a
    /// socket that nobody else has: they are returned.
    pub(super) fn close(self) -> Vec<Accepted> {
        let waiting: io::Result<Vec<Accepted>> = match self.socket {
            Bound::Tcp(socket, _) => socket.into_std().map(|socket| waiting(|| accept_tcp(&socket))),
            Bound::Unix(socket, mut file) => {
                // From now on nobody finds it.
                file.remove();
                socket.into_std().map(|socket| waiting(|| accept_unix(&socket)))
            }
        };
        waiting.unwrap_or_default()
    }
}

impl SocketFile {
    /// Removes the file, unless somebody has put another one into its place.
    fn remove(&mut self) {
        let Some(made) = self.made.take() else { return };
        if fs::symlink_metadata(&self.path).is_ok_and(|file| (file.dev(), file.ino()) == made) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Has the kernel drop segments that begin a connection: their senders try again, and find the port closed.
#[cfg(target_os = "linux")]
fn refuse_syn(socket: &TcpListener) -> bool {
    // Classic BPF on the TCP header: of the flags (RFC 9293 §3.1) SYN without ACK is dropped.
    const LOAD_BYTE: u16 = 0x30;
    const AND: u16 = 0x54;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    let program = [
        SockFilter::new(LOAD_BYTE, 0, 0, 13),
        SockFilter::new(AND, 0, 0, 0x12),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, 0x02),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ];
    SockRef::from(socket).attach_filter(&program).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn refuse_syn(_socket: &TcpListener) -> bool {
    false
}

/// Accepts without the runtime, which may not have heard yet that somebody waits.
/// Accepts whoever waits. One that has gone meanwhile is passed over.
fn waiting(accept: impl Fn() -> io::Result<Accepted>) -> Vec<Accepted> {
    let accepted = std::iter::repeat_with(accept).take(WAITING_MAX);
    let passed_over = [io::ErrorKind::ConnectionAborted, io::ErrorKind::Interrupted];
    accepted
        .take_while(|accepted| accepted.as_ref().map_or_else(|it| passed_over.contains(&it.kind()), |_| true))
        .filter_map(Result::ok)
        .collect()
}

fn accept_tcp(socket: &StdTcpListener) -> io::Result<Accepted> {
    let (stream, peer) = socket.accept()?;
    stream.set_nonblocking(true)?;
    Ok(Accepted::Tcp(TcpStream::from_std(stream)?, peer.ip()))
}

fn accept_unix(socket: &StdUnixListener) -> io::Result<Accepted> {
    let (stream, _) = socket.accept()?;
    stream.set_nonblocking(true)?;
    Ok(Accepted::Unix(UnixStream::from_std(stream)?))
}

/// Whether nobody listens on a socket's file. One whose queue is full has somebody.
async fn is_stale(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket())
        && UnixStream::connect(path)
            .await
            .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_nothing_else() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("a.sock");
        let first = Listener::unix(&path).await.expect("a free path");
        let refused = Listener::unix(&path).await.expect_err("somebody listens there");
        assert_eq!(refused.kind(), io::ErrorKind::AddrInUse);
        drop(first);
        assert!(!path.exists(), "the file goes with its listener");

        drop(StdUnixListener::bind(&path).expect("a free path"));
        assert!(path.exists(), "left behind");
        let second = Listener::unix(&path).await.expect("nobody listens there");
        fs::remove_file(&path).expect("the file");
        fs::write(&path, "mine").expect("a file");
        drop(second);
        assert_eq!(fs::read_to_string(&path).expect("somebody else's"), "mine");
        assert!(Listener::unix(&path).await.is_err(), "a file is no socket");
        assert_eq!(fs::read_to_string(&path).expect("still there"), "mine");
    }
}
