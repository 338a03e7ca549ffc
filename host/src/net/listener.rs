//! Accepts connections, each under a permit or in a place of the reserve; no client can make it stop
//! accepting.

use super::connection;
use super::reserve::Reserve;
use super::service::Host;
use super::tls::Tls;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// How long to wait when the system has no file descriptor left: connections that end free some.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);

/// A bound socket.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// Binds `address`; port 0 takes a free one.
    ///
    /// # Errors
    /// If the address is taken, not this machine's, or not allowed.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = TcpListener::bind(address).await?;
        let address = socket.local_addr()?;
        Ok(Self { socket, address })
    }

    /// The address with its real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves connections, over `tls` if there is some, until the host drains; they outlive this call.
    pub async fn serve(self, host: Arc<Host>, tls: Option<Arc<Tls>>) {
        let mut drain = host.drain.signal();
        let permits = Arc::new(Semaphore::new(host.config.connections_max as usize));
        let mut reserve = Reserve::new();
        loop {
            let stream = tokio::select! {
                stream = self.accept() => stream,
                () = drain.begun() => return,
            };
            let permit = permits.clone().try_acquire_owned();
            let connection =
                connection::serve(stream, host.clone(), tls.clone(), drain.clone(), permit.is_err());
            match permit {
                Ok(permit) => {
                    tokio::runtime::Handle::current().spawn(async move {
                        let _permit = permit;
                        connection.await;
                    });
                }
                Err(_) => reserve.serve(connection).await,
            }
        }
    }

    /// The next connection. Cancel safe.
    pub(super) async fn accept(&self) -> TcpStream {
        loop {
            match self.socket.accept().await {
                Ok((stream, _peer)) => return stream,
                Err(error) => {
                    tracing::warn!(%error, "accept failed");
                    tokio::time::sleep(ACCEPT_BACKOFF).await;
                }
            }
        }
    }
}
