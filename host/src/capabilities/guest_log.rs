//! A guest's standard output and error: log lines of the request that it serves, escaped and bounded.

use crate::telemetry::Exchange;
use bytes::Bytes;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// The longest log line; a longer one goes on in the next.
const LINE_BYTES_MAX: usize = 4 * 1024;
/// What a line costs beside its bytes, so that a bound on bytes is one on lines, too: an empty line
/// becomes a whole log event.
const LINE_COST_BYTES: usize = 128;
/// Bytes that a guest may write in one call, none of which can be preempted.
const WRITE_BYTES_MAX: usize = 4 * 1024;

/// The log of an instance: both of its streams share one bound for each request.
pub struct GuestLog {
    streams: [GuestStream; 2],
    bytes: Arc<AtomicUsize>,
}

impl GuestLog {
    /// Lets `bytes_max` bytes of a request through; what follows is dropped after one line that says so.
    pub fn new(exchange: &Arc<Exchange>, bytes_max: usize) -> Self {
        let bytes = Arc::<AtomicUsize>::default();
        let streams = ["stdout", "stderr"].map(|name| {
            let (exchange, bytes) = (exchange.clone(), bytes.clone());
            GuestStream(Arc::new(Mutex::new(Lines { exchange, name, bytes_max, bytes, partial: Vec::new() })))
        });
        Self { streams, bytes }
    }

    /// Its standard output and its standard error.
    pub fn streams(&self) -> [impl StdoutStream + 'static; 2] {
        self.streams.clone()
    }

    /// From now on lines belong to the request of `exchange`. A line that was begun ends with the one before.
    pub fn follow(&self, exchange: &Arc<Exchange>) {
        for stream in &self.streams {
            let mut lines = stream.lock();
            if !lines.partial.is_empty() {
                lines.flush();
            }
            lines.exchange = exchange.clone();
        }
        self.refill();
    }

    /// Lets as much through again as for the first request.
    pub fn refill(&self) {
        self.bytes.store(0, Relaxed);
    }
}

/// Cuts what a guest writes into lines.
struct Lines {
    exchange: Arc<Exchange>,
    name: &'static str,
    bytes_max: usize,
    /// What the request has taken of them.
    bytes: Arc<AtomicUsize>,
    partial: Vec<u8>,
}

impl Lines {
    fn write(&mut self, bytes: &[u8]) {
        fail::fail_point!("guest_log");
        for &byte in bytes {
            if byte == b'\n' {
                self.flush();
            } else if self.pay(1) {
                self.partial.push(byte);
                if self.partial.len() == LINE_BYTES_MAX {
                    self.flush();
                }
            }
        }
    }

    fn flush(&mut self) {
        let line = std::mem::take(&mut self.partial);
        if line.is_empty() {
            if self.pay(LINE_COST_BYTES) {
                self.emit("");
            }
            return;
        }
        self.emit(&String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(&line)));
        self.pay(LINE_COST_BYTES);
    }

    /// Takes `bytes` from what is left; the first time there is not enough, says so.
    fn pay(&mut self, bytes: usize) -> bool {
        let before = self.bytes.fetch_add(bytes, Relaxed);
        let max = self.bytes_max;
        if before <= max && before + bytes > max {
            // What was paid for stands before the line that says what is cut.
            self.flush();
            self.emit(&format!("output cut: more than {max} bytes in one request"));
        }
        before + bytes <= max
    }

    /// Writes the line as a value of its own: the log quotes and escapes it.
    fn emit(&self, line: &str) {
        let head = &self.exchange.head;
        tracing::info!(request_id = %head.id, handler = &*head.handler, stream = self.name, line, "guest");
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        if !self.partial.is_empty() {
            self.flush();
        }
    }
}

/// Every handle that the guest opens writes to the same lines.
#[derive(Clone)]
struct GuestStream(Arc<Mutex<Lines>>);

impl GuestStream {
    fn write(&self, bytes: &[u8]) {
        self.lock().write(bytes);
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        // A panic of ours in the middle of a line leaves nothing that the next write could break.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl IsTerminal for GuestStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for GuestStream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for GuestStream {
    async fn ready(&mut self) {}
}

impl OutputStream for GuestStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        GuestStream::write(self, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES_MAX)
    }
}

impl AsyncWrite for GuestStream {
    fn poll_write(self: Pin<&mut Self>, _cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        GuestStream::write(&self, bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
