//! The admin side: what somebody who looks after the host asks it, on a listener of its own. Served by
//! the I/O runtime alone, out of atomics and short copies: it answers while every instance is taken,
//! every client's connection is, and every executor thread computes.

mod guard;
mod guesses;
mod jobs;
mod metrics;

use super::accepted::Accepted;
use super::answer::{AnswerBody, REQUEST_ID, problem};
use super::entrance::Entrance;
use super::head;
use super::native;
use super::service::Host;
use super::socket::Socket;
use crate::config::Token;
use crate::outcome::Reason;
use crate::telemetry::RequestId;
use guard::Guard;
use http::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, WWW_AUTHENTICATE,
};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{Either, Full};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Connections open at once; they are none of the clients'.
const CONNECTIONS_MAX: usize = 64;
/// How long a head may take, also the next one of a connection that is kept: an idle one ends.
const HEADER_TIME_MAX: Duration = Duration::from_secs(5);
/// How long an answer may be left unread.
const WRITE_TIME_MAX: Duration = Duration::from_secs(10);
/// Bytes of a head that are read at all.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// The paths that need no token.
const PROBES: [&str; 2] = ["/health", "/ready"];
const READ: &str = "GET, HEAD";

/// Answers whoever looks after the host.
pub struct Admin {
    host: Arc<Host>,
    guard: Guard,
    started: Instant,
}

/// Why an admin request is refused, with the header field that goes with it.
#[derive(Debug)]
struct Refusal {
    reason: Reason,
    field: Option<(HeaderName, &'static str)>,
}

impl Admin {
    /// The admin side of `host`, for those who know `token` if there is one.
    pub fn new(host: Arc<Host>, token: Option<Token>) -> Self {
        Self { host, guard: Guard::new(token), started: Instant::now() }
    }

    /// Serves for as long as the runtime lives, through a drain, too: that is when somebody wants to see
    /// what still runs.
    pub async fn serve(self, mut entrance: Entrance) {
        let admin = Arc::new(self);
        let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let permit = permits.clone().acquire_owned().await;
            let permit = permit.expect("admin permits: the semaphore is never closed");
            let stream = entrance.accept().await;
            let admin = admin.clone();
            tokio::runtime::Handle::current().spawn(async move {
                let _permit = permit;
                // What a client does wrong was answered.
                let _ = admin.converse(stream).await;
            });
        }
    }

    async fn converse(self: Arc<Self>, stream: Accepted) -> hyper::Result<()> {
        let client = stream.peer().unwrap_or(Ipv4Addr::LOCALHOST.into());
        let (socket, _) = Socket::new(stream, WRITE_TIME_MAX);
        let service = service_fn(move |request| {
            let admin = self.clone();
            async move { Ok::<_, Infallible>(admin.answer(client, request).await) }
        });
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIME_MAX)
            .max_buf_size(HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(socket), service)
            .await
    }

    async fn answer<B>(&self, client: IpAddr, request: Request<B>) -> Response<AnswerBody> {
        // No request here has a body that anyone wants.
        let (head, _) = request.into_parts();
        match self.respond(client, &head).await {
            Ok(answer) => answer,
            Err(refusal) => refusal.answer(&head),
        }
    }

    async fn respond(&self, client: IpAddr, head: &Parts) -> Result<Response<AnswerBody>, Refusal> {
        head::check(head, &self.host.config)?;
        self.guard.check_sender(head)?;
        let path = head.uri.path();
        if PROBES.contains(&path) {
            return native::answer(&head.method, path, &self.host).ok_or(Refusal::method(READ));
        }
        self.guard.check_token(client, head)?;
        let read = matches!(head.method, Method::GET | Method::HEAD);
        match path {
            "/admin/jobs" if read => jobs::list(&self.host.executor, head.uri.query()).await,
            "/admin/metrics" if read => Ok(metrics::answer(&self.host, self.started.elapsed())),
            "/admin/jobs" | "/admin/metrics" => Err(Refusal::method(READ)),
            _ => match path.strip_prefix("/admin/jobs/") {
                Some(id) if head.method == Method::DELETE => Ok(jobs::kill(&self.host.executor, id)?),
                Some(_) => Err(Refusal::method("DELETE")),
                None => Err(Reason::NotFound.into()),
            },
        }
    }
}

impl Refusal {
    fn method(allowed: &'static str) -> Self {
        Self { reason: Reason::MethodNotAllowed, field: Some((ALLOW, allowed)) }
    }

    fn answer(self, head: &Parts) -> Response<AnswerBody> {
        let id = RequestId::from_client(head.headers.get(REQUEST_ID));
        let mut answer = problem(self.reason.into(), &id.header_value());
        let headers = answer.headers_mut();
        if let Some((name, value)) = self.field {
            headers.insert(name, HeaderValue::from_static(value));
        }
        // Whoever is not welcome holds no connection.
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        answer
    }
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        // RFC 9110 §15.5.2: a 401 names the scheme.
        let field = (reason == Reason::Unauthorized).then_some((WWW_AUTHENTICATE, "Bearer"));
        Self { reason, field }
    }
}

/// A whole answer that nobody may keep.
fn whole(content_type: &'static str, body: String) -> Response<AnswerBody> {
    let mut answer = Response::new(Either::Left(Full::from(body)));
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// An answer without a body.
fn empty(status: StatusCode) -> Response<AnswerBody> {
    let mut answer = Response::new(Either::Left(Full::default()));
    *answer.status_mut() = status;
    answer
}
