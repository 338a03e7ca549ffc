//! The admin side: what somebody who looks after the host asks it, on a listener of its own. Served by
//! the I/O runtime alone, out of atomics and short copies: it answers while every instance is taken,
//! every client's connection is, and every executor thread computes.

mod guard;
mod guesses;
mod handlers;
mod jobs;
mod logs;
mod metrics;
mod openapi;
mod refusal;
mod routes;
mod upload;

use super::accepted::Accepted;
use super::answer::AnswerBody;
use super::entrance::Entrance;
use super::head;
use super::native;
use super::service::Host;
use super::socket::Socket;
use crate::config::{DeployConfig, Token};
use guard::Guard;
use handlers::Question;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use http::{Request, Response, StatusCode};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use logs::Following;
use refusal::Refusal;
use routes::Operation;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use upload::Uploads;

/// Connections open at once; they are none of the clients'.
const CONNECTIONS_MAX: usize = 64;
/// How long a head may take, also the next one of a connection that is kept: an idle one ends.
const HEADER_TIME_MAX: Duration = Duration::from_secs(5);
/// How long an answer may be left unread.
const WRITE_TIME_MAX: Duration = Duration::from_secs(10);
/// Bytes of a head that are read at all.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// The body of an answer: the host's own, or log lines as they come.
type AdminBody = Either<AnswerBody, Following>;

/// Answers whoever looks after the host.
pub struct Admin {
    host: Arc<Host>,
    guard: Guard,
    uploads: Uploads,
    started: Instant,
}

impl Admin {
    /// The admin side of `host`, for those who know `token` if there is one.
    pub fn new(host: Arc<Host>, token: Option<Token>, deploy: &DeployConfig) -> Self {
        let uploads = Uploads::new(deploy.component_bytes_max, deploy.upload_timeout);
        Self { host, guard: Guard::new(token), uploads, started: Instant::now() }
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

    async fn answer(&self, client: IpAddr, request: Request<Incoming>) -> Response<AdminBody> {
        let (head, body) = request.into_parts();
        match self.respond(client, &head, body).await {
            Ok(answer) => answer,
            Err(refusal) => refusal.answer(&head).map(Either::Left),
        }
    }

    async fn respond(
        &self,
        client: IpAddr,
        head: &Parts,
        body: Incoming,
    ) -> Result<Response<AdminBody>, Refusal> {
        let host = &self.host;
        head::check_fields(head, &host.config)?;
        self.guard.check_sender(head)?;
        let found = routes::find(&head.method, head.uri.path());
        if !found.as_ref().is_ok_and(|(operation, _)| operation.is_open()) {
            self.guard.check_token(client, head)?;
        }
        let (operation, name) = found?;
        let answer = match operation {
            Operation::Health => native::health(),
            Operation::Ready => native::ready(host),
            Operation::OpenApi => whole("application/json", openapi::text().to_owned()),
            Operation::Jobs => jobs::list(&host.executor, head.uri.query()).await?,
            Operation::KillJob => jobs::kill(&host.executor, name, client)?,
            Operation::Metrics => metrics::answer(host, self.started.elapsed()),
            Operation::Drain => {
                host.drain.ask();
                tracing::info!(%client, action = "drain", outcome = "done", "audit");
                empty(StatusCode::ACCEPTED)
            }
            Operation::Handlers => handlers::list(&host.deployments),
            Operation::Handler => handlers::show(&host.deployments, name)?,
            Operation::Versions => handlers::versions(&host.deployments, name)?,
            Operation::Logs => {
                let name = handlers::find(&host.deployments, name)?;
                return logs::answer(host, &name, head.uri.query());
            }
            Operation::Deploy
            | Operation::Remove
            | Operation::Rollback
            | Operation::Canary
            | Operation::EndCanary
            | Operation::Promote
            | Operation::Pause
            | Operation::Resume => {
                let question = Question { operation, name, client, head };
                handlers::change(host, &self.uploads, question, body).await?
            }
        };
        Ok(answer.map(Either::Left))
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
