//! A socket that ends its connection when its client does not read: whoever waits for what, bytes that
//! are there to be sent must get on. Also tells the connection's activity what arrives.

use super::activity::Activity;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// Bytes that a client has to take within `--write-timeout` while there are more: fewer are a drip.
pub(super) const BYTES_MIN: usize = 16 * 1024;

/// A socket, watched.
pub(super) struct Stalling<S> {
    io: S,
    activity: Arc<Activity>,
    timeout: Duration,
    /// Runs while there is something to send that the socket does not take.
    alarm: Option<Pin<Box<Sleep>>>,
    /// Bytes that it took since the alarm was set.
    taken: usize,
}

impl<S> Stalling<S> {
    pub(super) fn new(io: S, timeout: Duration, activity: Arc<Activity>) -> Self {
        Self { io, activity, timeout, alarm: None, taken: 0 }
    }

    /// Judges what came of a write.
    fn wrote(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Ok(bytes)) => {
                // More may follow at once: only a flush says that there is none.
                self.taken = self.taken.saturating_add(bytes);
                Poll::Ready(Ok(bytes))
            }
            Poll::Ready(Err(error)) => {
                // The kernel's own patience (`TCP_USER_TIMEOUT`) ended first.
                if error.kind() == io::ErrorKind::TimedOut {
                    self.activity.stall();
                }
                Poll::Ready(Err(error))
            }
            Poll::Pending => {
                self.activity.block(true);
                if self.alarm.is_some() && self.taken >= BYTES_MIN {
                    self.taken = 0;
                    if let Some(alarm) = &mut self.alarm {
                        alarm.as_mut().reset(Instant::now() + self.timeout);
                    }
                }
                let (timeout, taken) = (self.timeout, &mut self.taken);
                let alarm = self.alarm.get_or_insert_with(|| {
                    *taken = 0;
                    Box::pin(tokio::time::sleep(timeout))
                });
                match alarm.as_mut().poll(cx) {
                    Poll::Pending => Poll::Pending,
                    Poll::Ready(()) => {
                        self.activity.stall();
                        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
                    }
                }
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Stalling<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.io).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.activity.received();
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Stalling<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.wrote(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, slices);
        self.wrote(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    /// Called once everything was written.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.alarm.take().is_some() {
            self.activity.block(false);
        }
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    const TIMEOUT: Duration = Duration::from_secs(10);

    fn pair(buffer: usize) -> (DuplexStream, Stalling<DuplexStream>, Arc<Activity>) {
        let (client, server) = tokio::io::duplex(buffer);
        let activity = Activity::new();
        (client, Stalling::new(server, TIMEOUT, activity.clone()), activity)
    }

    /// Sends for ever to a client that takes `bytes` every `pause`; returns after how long that ended.
    async fn send_to(bytes: usize, pause: Duration) -> Option<Duration> {
        let (mut client, mut server, activity) = pair(64 * 1024);
        let began = Instant::now();
        let take = async {
            let mut taken = vec![0; bytes];
            while client.read_exact(&mut taken).await.is_ok() {
                tokio::time::sleep(pause).await;
            }
            std::future::pending::<()>().await;
        };
        let send = async { while server.write_all(&[0; 4096]).await.is_ok() {} };
        tokio::select! {
            () = send => {}
            () = take => {}
            () = tokio::time::sleep(20 * TIMEOUT) => return None,
        }
        assert!(activity.stalled());
        Some(began.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_read_is_cut_off_and_so_is_who_drips() {
        for (bytes, pause) in [(1, Duration::MAX), (1, TIMEOUT / 100), (1024, TIMEOUT / 15)] {
            let ended = send_to(bytes, pause.min(100 * TIMEOUT)).await.expect("an end");
            assert!((TIMEOUT..TIMEOUT + TIMEOUT / 10).contains(&ended), "{bytes}: {ended:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_reads_slowly_but_reads_is_not() {
        assert_eq!(send_to(1024, TIMEOUT / 20).await, None);
        assert_eq!(send_to(BYTES_MIN * 2, TIMEOUT * 9 / 10).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_between_two_answers_is_not_the_clients() {
        let (mut client, mut server, _) = pair(1024);
        for _ in 0..3 {
            let send = async {
                server.write_all(&[0; 4096]).await.expect("taken");
                server.flush().await.expect("taken");
            };
            let read = async {
                tokio::time::sleep(TIMEOUT / 2).await;
                client.read_exact(&mut [0; 4096]).await.expect("sent");
            };
            tokio::join!(send, read);
            tokio::time::sleep(5 * TIMEOUT).await;
        }
    }
}
