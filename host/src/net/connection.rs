//! One connection: its protocol found out, then hyper with every limit on, until it ends, its time is
//! up or the host drains. A client that was let in before the drain is heard once.

use super::accepted::Accepted;
use super::activity::{Activity, Expired, Patience};
use super::drain::DrainSignal;
use super::origin::Link;
use super::protocol::{self, Protocol};
use super::service::{Host, Service};
use super::socket::Socket;
use super::stall::Stalling;
use super::stream::answering;
use super::tls::Tls;
use super::versions;
use http::header::{CONNECTION, HeaderValue};
use http::uri::Scheme;
use http::{Method, Request};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

/// How long a client that has asked for nothing yet has to do so once the host drains: its request may
/// be on the way, and nobody has told it otherwise.
const FIRST_REQUEST_TIME_MAX: Duration = Duration::from_secs(2);

/// Serves `stream` to its end, over `tls` if there is some; a `reserved` one for the host's own answers
/// only. What a client does wrong was answered as far as possible.
pub(super) async fn serve(
    stream: Accepted,
    host: Arc<Host>,
    tls: Option<Arc<Tls>>,
    mut drain: DrainSignal,
    reserved: bool,
) {
    let config = &host.config;
    let Ok(local) = stream.local() else {
        // Reset before it was looked at.
        return;
    };
    let activity = Activity::new();
    let (socket, peer) = Socket::new(stream, config.write_timeout);
    let socket = Stalling::new(socket, config.write_timeout, activity.clone());
    let scheme = if tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP };
    let link = Link { local, peer: peer.address().map(Into::into), scheme };
    let service = Arc::new(Service::new(host.clone(), peer.clone(), link, reserved));
    match tls {
        None => {
            let detected = protocol::detect(socket, config.header_timeout);
            let Some(Ok((protocol, io))) = opening(detected, &mut drain).await else { return };
            Speaker { host, service, activity, drain, reserved }.speak(protocol, io).await;
        }
        Some(tls) => {
            // In a place of its own: once the hands are shaken, nothing of it is kept.
            let accepted = Box::pin(tls.accept(socket, &peer));
            let Some(Some((protocol, io))) = opening(accepted, &mut drain).await else { return };
            // What was received so far was a handshake.
            activity.await_head();
            Speaker { host, service, activity, drain, reserved }.speak(protocol, io).await;
        }
    }
}

/// What `opening` comes to; none if the host drains and it takes too long then.
async fn opening<T>(opening: impl Future<Output = T>, drain: &mut DrainSignal) -> Option<T> {
    tokio::select! {
        opened = opening => Some(opened),
        () = too_late(drain) => None,
    }
}

/// Waits until it is too late for a first request.
async fn too_late(drain: &mut DrainSignal) {
    drain.begun().await;
    tokio::select! {
        () = tokio::time::sleep(FIRST_REQUEST_TIME_MAX) => {}
        () = drain.was_cut() => {}
    }
}

/// Whether a connection was in use before the drain: its client is not new, and has to go.
#[derive(Clone, Default)]
struct Kept(Arc<AtomicBool>);

impl Kept {
    /// Whether a request that comes now is one too many.
    fn refuses(&self, service: &Service) -> bool {
        if service.draining() {
            return self.0.load(Relaxed);
        }
        self.0.store(true, Relaxed);
        false
    }
}

/// The host's side of an open connection.
struct Speaker {
    host: Arc<Host>,
    service: Arc<Service>,
    activity: Arc<Activity>,
    drain: DrainSignal,
    reserved: bool,
}

impl Speaker {
    /// Speaks HTTP over `io` to its end.
    async fn speak<S: AsyncRead + AsyncWrite + Unpin>(self, protocol: Protocol, io: S) {
        let Self { host, service, activity, drain, reserved } = self;
        let config = &host.config;
        let (requests, kept) = (activity.clone(), Kept::default());
        let service = service_fn(move |request: Request<Incoming>| {
            let (service, in_flight) = (service.clone(), requests.begin());
            let refused = kept.refuses(&service);
            async move {
                let to_head = *request.method() == Method::HEAD;
                let mut answer = service.answer(request, refused).await;
                if protocol == Protocol::Http1 && service.draining() {
                    // hyper says so, too, but only of what is not on its way yet.
                    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(answering(answer, to_head, in_flight))
            }
        });
        let io = TokioIo::new(io);
        let patience = |head| Patience::new(activity, head, config.idle_timeout);
        match protocol {
            Protocol::Http1 => {
                let connection =
                    Box::pin(versions::http1(config).keep_alive(!reserved).serve_connection(io, service));
                let patience = patience(Some(config.header_timeout));
                drive(connection, |connection| connection.graceful_shutdown(), patience, drain).await;
            }
            Protocol::Http2 => {
                let connection = Box::pin(versions::http2(config).serve_connection(io, service));
                drive(connection, |connection| connection.graceful_shutdown(), patience(None), drain).await;
            }
        }
    }
}

/// Runs `connection`, and has it `close` in order once it is idle for too long or the host drains.
///
/// It comes boxed: by value it would be in the future of every function that it is handed through, and
/// each connection, whichever version and scheme it speaks, would take the memory of all of them.
async fn drive<C>(
    mut connection: Pin<Box<C>>,
    close: impl FnOnce(Pin<&mut C>),
    mut patience: Patience,
    mut drain: DrainSignal,
) where
    C: Future<Output = hyper::Result<()>>,
{
    tokio::select! {
        // In this order: the connection's own work decides what it is found at.
        biased;
        _ = connection.as_mut() => return,
        expired = patience.spent() => match expired {
            // Half a head: there is nobody to answer yet.
            Expired::Head => return,
            Expired::Idle => {}
        },
        () = drain.begun() => {
            // Closed before it has asked, it would be lost.
            tokio::select! {
                biased;
                _ = connection.as_mut() => return,
                () = patience.used() => {}
                () = too_late(&mut drain) => {}
            }
        }
    }
    close(connection.as_mut());
    patience.closing();
    tokio::select! {
        biased;
        _ = connection.as_mut() => {}
        _ = patience.spent() => {}
    }
}
