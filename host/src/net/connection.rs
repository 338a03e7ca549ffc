//! One connection: hyper with every limit on, until it ends or the host drains.

use super::drain::DrainSignal;
use super::service::{Host, Service};
use super::socket::Socket;
use crate::config::NetConfig;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use tokio::net::TcpStream;

/// Header fields that hyper reads before it answers 431 by itself; ours answer earlier, with a reason.
const HYPER_FIELDS_MAX: usize = 256;

/// Serves `stream` to its end. An error here is the client's, and was answered as far as possible.
pub(super) async fn serve(stream: TcpStream, host: &Arc<Host>, mut drain: DrainSignal) -> hyper::Result<()> {
    let config = &host.config;
    let Ok(local) = stream.local_addr() else {
        // Reset before it was looked at.
        return Ok(());
    };
    let (socket, peer) = Socket::new(stream, config.write_timeout);
    let service = Service::new(host.clone(), local, peer);
    let service = service_fn(move |request| {
        let service = service.clone();
        async move { Ok::<_, Infallible>(service.answer(request).await) }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(config.header_timeout)
            .max_headers(HYPER_FIELDS_MAX)
            .max_buf_size(head_bytes_max(config))
            .serve_connection(TokioIo::new(socket), service)
    );
    tokio::select! {
        ended = connection.as_mut() => return ended,
        () = drain.begun() => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}

/// Room for a head a little larger than allowed, so that the answer to it is ours; hyper asks for
/// at least 8 KiB.
fn head_bytes_max(config: &NetConfig) -> usize {
    (2 * (config.uri_bytes_max + config.header_bytes_max)).max(64 * 1024)
}
