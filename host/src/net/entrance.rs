//! Accepts connections at all listeners, each under a permit or in a place of the reserve; no client
//! can make it stop accepting.

use super::accepted::Accepted;
use super::connection;
use super::listener::Listener;
use super::reserve::Reserve;
use super::service::Host;
use super::tls::Tls;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

/// How long to wait when the system has no file descriptor left: connections that end free some.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);

/// How long a client that has begun to connect has for the rest of it, once nobody else may begin: longer
/// than most ways there and back.
const HANDSHAKE_TIME: Duration = Duration::from_millis(250);

/// All listeners of one kind of client.
#[derive(Debug)]
pub struct Entrance {
    listeners: Vec<Listener>,
    /// Who is asked first, so that none is heard at another's expense.
    turn: usize,
}

impl Entrance {
    /// One entrance of these.
    pub fn new(listeners: Vec<Listener>) -> Self {
        Self { listeners, turn: 0 }
    }

    /// Serves connections, over `tls` if there is some, until the host drains; they outlive this call.
    pub async fn serve(mut self, host: Arc<Host>, tls: Option<Arc<Tls>>) {
        let mut drain = host.drain.signal();
        let permits = Arc::new(Semaphore::new(host.config.connections_max as usize));
        let mut reserve = Reserve::new();
        loop {
            let stream = tokio::select! {
                stream = self.accept() => stream,
                () = drain.begun() => break,
            };
            admit(stream, &host, &tls, &permits, &mut reserve).await;
        }
        // Closed at once: somebody else accepts there.
        self.listeners.retain(|listener| !listener.inherited());
        if self.listeners.iter().map(Listener::hush).filter(|late| *late).count() > 0 {
            let mut late = pin!(tokio::time::sleep(HANDSHAKE_TIME));
            loop {
                let stream = tokio::select! {
                    stream = self.accept() => stream,
                    () = &mut late => break,
                };
                admit(stream, &host, &tls, &permits, &mut reserve).await;
            }
        }
        for stream in self.listeners.into_iter().flat_map(Listener::close) {
            admit(stream, &host, &tls, &permits, &mut reserve).await;
        }
    }

    /// The next connection. Cancel safe.
    pub(super) async fn accept(&mut self) -> Accepted {
        loop {
            match poll_fn(|cx| self.poll_accept(cx)).await {
                Ok(stream) => return stream,
                Err(error) => {
                    tracing::warn!(%error, "accept failed");
                    tokio::time::sleep(ACCEPT_BACKOFF).await;
                }
            }
        }
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted>> {
        let count = self.listeners.len();
        for offset in 0..count {
            let index = (self.turn + offset) % count;
            if let Poll::Ready(accepted) = self.listeners[index].poll_accept(cx) {
                self.turn = index + 1;
                return Poll::Ready(accepted);
            }
        }
        Poll::Pending
    }
}

async fn admit(
    stream: Accepted,
    host: &Arc<Host>,
    tls: &Option<Arc<Tls>>,
    permits: &Arc<Semaphore>,
    reserve: &mut Reserve,
) {
    let permit = permits.clone().try_acquire_owned();
    let signal = host.drain.signal();
    let connection = connection::serve(stream, host.clone(), tls.clone(), signal, permit.is_err());
    match permit {
        Ok(permit) => {
            Handle::current().spawn(async move {
                let _permit = permit;
                connection.await;
            });
        }
        Err(_) => reserve.serve(connection).await,
    }
}
