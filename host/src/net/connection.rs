//! One connection: its protocol found out, then hyper with every limit on, until it ends or the host
//! drains.

use super::drain::DrainSignal;
use super::protocol::{self, Protocol};
use super::service::{Host, Service};
use super::socket::Socket;
use super::versions;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use tokio::net::TcpStream;

/// Serves `stream` to its end. What a client does wrong was answered as far as possible.
pub(super) async fn serve(stream: TcpStream, host: &Arc<Host>, mut drain: DrainSignal) {
    let config = &host.config;
    let Ok(local) = stream.local_addr() else {
        // Reset before it was looked at.
        return;
    };
    let (socket, peer) = Socket::new(stream, config.write_timeout);
    let detected = tokio::select! {
        detected = protocol::detect(socket, config.header_timeout) => detected,
        // It has asked for nothing yet.
        () = drain.begun() => return,
    };
    let Ok((protocol, io)) = detected else { return };
    let service = Service::new(host.clone(), local, peer);
    let service = service_fn(move |request| {
        let service = service.clone();
        async move { Ok::<_, Infallible>(service.answer(request).await) }
    });
    let io = TokioIo::new(io);
    match protocol {
        Protocol::Http1 => {
            let connection = versions::http1(config).serve_connection(io, service);
            drive(connection, |connection| connection.graceful_shutdown(), drain).await;
        }
        Protocol::Http2 => {
            let connection = versions::http2(config).serve_connection(io, service);
            drive(connection, |connection| connection.graceful_shutdown(), drain).await;
        }
    }
}

/// Runs `connection`, and has it `close` in order once the host drains.
async fn drive<C>(connection: C, close: impl FnOnce(Pin<&mut C>), mut drain: DrainSignal)
where
    C: Future<Output = hyper::Result<()>>,
{
    let mut connection = pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        () = drain.begun() => close(connection.as_mut()),
    }
    let _ = connection.await;
}
