//! Which protocol a client speaks: HTTP/2 opens with its preface, and everything else is HTTP/1. What
//! was read to tell them apart is read again by hyper. hyper-util has the same without a time limit.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// RFC 9113 §3.4.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What hyper is to speak.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// Reads from `io` until its client's protocol is certain, which takes 24 bytes at most.
///
/// # Errors
/// If the client does not begin within `timeout`, or goes away.
pub(super) async fn detect<S: AsyncRead + Unpin>(
    mut io: S,
    timeout: Duration,
) -> io::Result<(Protocol, Replayed<S>)> {
    let mut read = [0; PREFACE.len()];
    let mut length = 0;
    let protocol = tokio::time::timeout(timeout, async {
        loop {
            match io.read(&mut read[length..]).await? {
                0 => return Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
                more => length += more,
            }
            if !PREFACE.starts_with(&read[..length]) {
                return Ok(Protocol::Http1);
            }
            if length == PREFACE.len() {
                return Ok(Protocol::Http2);
            }
        }
    })
    .await??;
    Ok((protocol, Replayed { read, next: 0, length, io }))
}

/// A stream whose first bytes were read already, and are read once more.
pub(super) struct Replayed<S> {
    read: [u8; PREFACE.len()],
    next: usize,
    length: usize,
    io: S,
}

impl<S: AsyncRead + Unpin> AsyncRead for Replayed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.next == this.length {
            return Pin::new(&mut this.io).poll_read(cx, buffer);
        }
        let end = this.length.min(this.next + buffer.remaining());
        buffer.put_slice(&this.read[this.next..end]);
        this.next = end;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Replayed<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;

    const TIMEOUT: Duration = Duration::from_secs(10);

    async fn told(parts: &[&[u8]]) -> (Protocol, Vec<u8>) {
        let (mut client, server) = tokio::io::duplex(1024);
        let parts: Vec<Vec<u8>> = parts.iter().map(|part| part.to_vec()).collect();
        let send = async move {
            for part in parts {
                client.write_all(&part).await.expect("duplex");
                tokio::task::yield_now().await;
            }
        };
        let read = async {
            let (protocol, mut replayed) = detect(server, TIMEOUT).await.expect("a protocol");
            let mut bytes = Vec::new();
            replayed.read_to_end(&mut bytes).await.expect("duplex");
            (protocol, bytes)
        };
        tokio::join!(read, send).0
    }

    #[tokio::test]
    async fn nothing_that_was_read_is_lost() {
        let cases: [(&[&[u8]], Protocol); 6] = [
            (&[b"GET / HTTP/1.1\r\n\r\n"], Protocol::Http1),
            (&[b"P", b"OST / HTTP/1.1\r\n\r\n"], Protocol::Http1),
            (&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r", b"x"], Protocol::Http1),
            (&[PREFACE], Protocol::Http2),
            (&[b"PRI * HT", b"TP/2.0\r\n\r\nSM\r\n\r\n", b"\0\0\0\x04"], Protocol::Http2),
            (&[PREFACE, b"\0\0\0\x04\0\0\0\0\0"], Protocol::Http2),
        ];
        for (parts, protocol) in cases {
            assert_eq!(told(parts).await, (protocol, parts.concat()));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn half_a_preface_is_waited_for_only_so_long() {
        for half in [&b""[..], b"P", &PREFACE[..23]] {
            let (mut client, server) = tokio::io::duplex(1024);
            client.write_all(half).await.expect("duplex");
            let ended = detect(server, TIMEOUT).await.map(|(protocol, _)| protocol);
            assert_eq!(ended.map_err(|error| error.kind()), Err(io::ErrorKind::TimedOut));
        }
    }
}
