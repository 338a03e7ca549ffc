//! TLS: handshakes, bounded in time and in number, with a certificate that can be changed while the
//! host runs. What is on disk takes effect as a whole or not at all.

use super::certificates::{self, TlsError};
use super::handshakes::Handshakes;
use super::protocol::Protocol;
use super::socket::Peer;
use crate::config::{TlsConfig, TlsFiles};
use arc_swap::ArcSwap;
use rustls::ServerConfig;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How often the files are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);

/// The type of the first record of every handshake (RFC 8446 §5.1).
const HANDSHAKE: u8 = 0x16;

/// What a client that speaks HTTP without TLS is told.
const NOT_PLAIN: &str = "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: 41\r\n\
     connection: close\r\n\r\nThis port speaks HTTPS: use https:// URLs";

/// What connections are secured with.
#[derive(Debug)]
pub struct Tls {
    /// What the next handshake uses; those before keep theirs.
    current: ArcSwap<ServerConfig>,
    /// Handshakes at once; others wait within their own time limit.
    handshakes: Handshakes,
    timeout: Duration,
    reload: SyncSender<()>,
}

impl Tls {
    /// Reads the files, and goes on looking for changes of them until it is dropped.
    ///
    /// # Errors
    /// If the files cannot be used, or there is no thread for them.
    pub fn open(config: &TlsConfig) -> Result<Arc<Self>, TlsError> {
        let stamp = Stamp::of(&config.files);
        let current = ArcSwap::from_pointee(certificates::load(&config.files)?);
        let (reload, requests) = sync_channel(1);
        let handshakes = Handshakes::new(config.handshakes_max);
        let tls = Arc::new(Self { current, handshakes, timeout: config.handshake_timeout, reload });
        let (watched, files) = (Arc::downgrade(&tls), config.files.clone());
        // A thread of its own, since files can block, and nothing else may wait for them. It is not
        // waited for at the end: it holds nothing but its place in a read.
        std::thread::Builder::new()
            .name("tls-files".into())
            .spawn(move || watch(&watched, &files, stamp, &requests))
            .map_err(TlsError::NoThread)?;
        Ok(tls)
    }

    /// Reads the files soon, changed or not.
    pub fn reload(&self) {
        // Full: that is about to happen anyway.
        let _ = self.reload.try_send(());
    }

    /// Shakes hands over `socket`, which `peer` looks at; none if that failed, or took too long.
    pub(super) async fn accept<S>(&self, socket: S, peer: &Peer) -> Option<(Protocol, TlsStream<S>)>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let handshake = async {
            // Only one that has begun takes a place.
            if peer.first_byte().await? != HANDSHAKE {
                refuse(socket).await?;
                return Err(io::ErrorKind::InvalidData.into());
            }
            let place = self.handshakes.begin();
            tokio::select! {
                shaken = TlsAcceptor::from(self.current.load_full()).accept(socket) => shaken,
                () = place.taken() => Err(io::ErrorKind::TimedOut.into()),
            }
        };
        let stream = tokio::time::timeout(self.timeout, handshake).await.ok()?.ok()?;
        let protocol = match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => Protocol::Http2,
            Some(_) | None => Protocol::Http1,
        };
        Some((protocol, stream))
    }
}

async fn refuse<S: AsyncRead + AsyncWrite + Unpin>(mut socket: S) -> io::Result<()> {
    // What is left unread would turn the close into a reset, and the answer would be lost.
    let _ = socket.read(&mut [0; 16 * 1024]).await?;
    socket.write_all(NOT_PLAIN.as_bytes()).await?;
    socket.shutdown().await
}

/// Takes over what changes on disk, and what somebody asks to be read again.
fn watch(tls: &Weak<Tls>, files: &TlsFiles, mut seen: Stamp, requests: &Receiver<()>) {
    loop {
        let asked = match requests.recv_timeout(LOOK_INTERVAL) {
            Ok(()) => true,
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let stamp = Stamp::of(files);
        if stamp == seen && !asked {
            continue;
        }
        seen = stamp;
        let Some(tls) = tls.upgrade() else { return };
        match certificates::load(files) {
            Ok(config) => {
                tls.current.store(Arc::new(config));
                tracing::info!(cert = %files.cert.display(), "TLS certificate reloaded");
            }
            Err(error) => {
                let why = std::error::Error::source(&error).map(ToString::to_string);
                tracing::error!(%error, why, "TLS certificate not reloaded: the one before stays in use");
            }
        }
    }
}

/// What tells one state of the files from another: also one that was moved into their place.
#[derive(Debug, Eq, PartialEq)]
struct Stamp(Vec<Option<(u64, u64, i64, i64)>>);

impl Stamp {
    fn of(files: &TlsFiles) -> Self {
        let paths = [Some(&files.cert), Some(&files.key), files.client_ca.as_ref()];
        let one = |path: &std::path::PathBuf| {
            let file = std::fs::metadata(path).ok()?;
            Some((file.ino(), file.size(), file.mtime(), file.mtime_nsec()))
        };
        Self(paths.into_iter().flatten().map(one).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_to_plain_http_is_as_long_as_it_says() {
        let (head, body) = NOT_PLAIN.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{}", body.len());
    }
}
