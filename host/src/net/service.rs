//! The way of one request: checked, admitted, given to an instance, and its answer sent back.

use super::answer::{AnswerBody, PROXY_STATUS, REQUEST_ID, problem};
use super::drain::{Drain, DrainSignal, Running};
use super::guest_body::{GuestBody, Length};
use super::head::{self, LOGGED_PATH_BYTES_MAX};
use super::hops;
use super::lead::{Led, Target, lead};
use super::native;
use super::origin::Link;
use super::request_body::RequestBody;
use super::socket::Peer;
use super::upload::Upload;
use crate::admission::{Admission, HandlerShare, RequestPermit, StreamClaim};
use crate::config::NetConfig;
use crate::deploy::Deployments;
use crate::executor::{Executor, JobHandle};
use crate::handlers::{Catalog, Deployed};
use crate::outcome::{Reason, Refusal};
use crate::sandbox::{Budget, GuestHead, Work, invoke, share};
use crate::telemetry::{Exchange, Recent, RequestHead, RequestId, TraceParent};
use http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use http_body::Body;
use http_body_util::Either;
use hyper::body::Incoming;
use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;
use tokio::sync::oneshot;

/// What every connection shares.
pub struct Host {
    /// The network's settings.
    pub config: NetConfig,
    /// Who is let in.
    pub admission: Arc<Admission>,
    /// Where guests run.
    pub executor: Arc<Executor>,
    /// What is served.
    pub catalog: Arc<Catalog>,
    /// What is deployed, and how to change it.
    pub deployments: Deployments,
    /// The last log lines of each handler.
    pub recent: Arc<Recent>,
    /// How far a shutdown has come.
    pub drain: Drain,
}

/// Answers the requests of one connection.
pub(super) struct Service {
    host: Arc<Host>,
    peer: Peer,
    link: Link,
    /// Beyond the limit of connections: only the host's own answers are given.
    reserved: bool,
}

impl Service {
    /// A service for the connection of `peer`, which is `link`.
    pub(super) fn new(host: Arc<Host>, peer: Peer, link: Link, reserved: bool) -> Self {
        Self { host, peer, link, reserved }
    }

    /// Whether the host drains.
    pub(super) fn draining(&self) -> bool {
        self.host.drain.draining()
    }

    /// Answers one request; a `refused` one came too late, on a connection that should have ended.
    /// Dropping it while it waits ends the guest: the client is gone.
    pub(super) async fn answer(&self, request: Request<Incoming>, refused: bool) -> Response<AnswerBody> {
        if let Some(answer) = native::answer(request.method(), request.uri().path(), &self.host) {
            return answer;
        }
        let (head, body) = request.into_parts();
        let Led { handler, stats, tally, allow, to } = lead(&head, &self.link, &self.host);
        let exchange = Exchange::tallied(describe(&head, handler), stats, tally);
        match contained(self.serve(head, body, to, refused, &exchange)).await {
            Ok(answer) => answer,
            Err(refusal) => {
                let reason = exchange.fail(refusal.reason);
                exchange.answer(reason.status());
                // What ended the request first is told, with what belongs to it.
                let told = if reason == refusal.reason { refusal } else { reason.into() };
                let mut answer = problem(told, &exchange.head.id.header_value());
                if let Some(allow) = allow.filter(|_| told.reason == Reason::MethodNotAllowed) {
                    answer.headers_mut().insert(ALLOW, allow);
                }
                answer
            }
        }
    }

    async fn serve(
        &self,
        mut head: Parts,
        body: Incoming,
        to: Result<Target, Reason>,
        refused: bool,
        exchange: &Arc<Exchange>,
    ) -> Result<Response<AnswerBody>, Refusal> {
        let host = &self.host;
        let Target { deployed, origin, route } = to?;
        if refused {
            return Err(Reason::Draining.into());
        }
        if self.reserved {
            return Err(Reason::TooManyConnections.into());
        }
        host.admission.rates().check(origin.client(), deployed.rate.as_deref())?;
        let mut running = host.drain.running();
        let permit = self.await_permit(deployed.share, &mut running.drain).await?;
        let claim = permit.claim();
        let version = head.version;
        head::hand_over(&mut head, &exchange.head.id, origin, route);
        let config = &host.config;
        let (body, faults) = RequestBody::new(
            Upload::new(body, version),
            config.body_bytes_max,
            config.body_timeout,
            exchange.clone(),
        );
        let limits = deployed.handler.limits();
        let budget = Arc::new(Budget::new(limits.timeout, limits.cpu_time, exchange.clone()));
        let deadline = budget.deadline;
        let (tx, rx) = oneshot::channel();
        let request = Request::from_parts(head, body);
        let job = self.start(&deployed, request, tx, budget, exchange, permit);
        let head = self.await_head(rx, faults, deadline, &mut running.drain, exchange, job.killed()).await?;
        // HTTP/1.0 has no last chunk that could be missing: there only a reset says that it is.
        let reset = (version < Version::HTTP_11).then(|| self.peer.clone());
        Ok(respond(head, exchange, job, deadline, running, claim, reset)?)
    }

    /// Gives a request to an instance of its handler.
    fn start(
        &self,
        deployed: &Deployed,
        request: Request<RequestBody>,
        answer: oneshot::Sender<GuestHead>,
        budget: Arc<Budget>,
        exchange: &Arc<Exchange>,
        permit: RequestPermit,
    ) -> JobHandle {
        let (handler, key, executor) =
            (deployed.handler.clone(), deployed.share.handler, &self.host.executor);
        if handler.shares() {
            let launch = |work: Work| -> Box<dyn Any + Send> {
                Box::new(executor.spawn(key, work.future, work.budget, work.exchange, ()))
            };
            let guest = share(handler, request, answer, budget.clone(), exchange.clone(), &launch);
            return executor.spawn(key, guest, budget, exchange.clone(), permit);
        }
        let guest = invoke(handler, request, answer, budget.clone(), exchange.clone());
        executor.spawn(key, guest, budget, exchange.clone(), permit)
    }

    /// Waits for a permit, or for whatever ends the request in the queue.
    async fn await_permit(
        &self,
        share: HandlerShare,
        drain: &mut DrainSignal,
    ) -> Result<RequestPermit, Refusal> {
        tokio::select! {
            biased;
            admitted = self.host.admission.admit(share) => admitted,
            () = drain.was_cut() => Err(Reason::Draining.into()),
            () = self.peer.gone() => Err(Reason::ClientGone.into()),
        }
    }

    /// Waits for the guest's head, or for whatever ends the request before there is one. The
    /// deadline holds here, too: whatever became of the guest, the client is answered.
    async fn await_head(
        &self,
        head: oneshot::Receiver<GuestHead>,
        mut faults: oneshot::Receiver<Reason>,
        deadline: Instant,
        drain: &mut DrainSignal,
        exchange: &Exchange,
        killed: impl Future<Output = ()>,
    ) -> Result<GuestHead, Reason> {
        tokio::select! {
            biased;
            // A body that nobody reads any more has no faults: the channel just closes.
            Ok(reason) = &mut faults => Err(reason),
            head = head => match (head, exchange.failure()) {
                (Ok(head), None) => Ok(head),
                (Ok(_), Some(reason)) => Err(reason),
                // Closed without a head: the job has said why, unless its thread is gone.
                (Err(_), failure) => Err(failure.unwrap_or(Reason::ExecutorLost)),
            },
            () = tokio::time::sleep_until(deadline.into()) => Err(Reason::GuestTimeout),
            () = drain.was_cut() => Err(Reason::Draining),
            () = killed => Err(Reason::Killed),
            () = self.peer.gone() => Err(Reason::ClientGone),
        }
    }
}

fn describe(head: &Parts, handler: Arc<str>) -> RequestHead {
    let headers = &head.headers;
    let path = head.uri.path();
    let cut = path.floor_char_boundary(LOGGED_PATH_BYTES_MAX);
    RequestHead {
        id: RequestId::from_client(headers.get(REQUEST_ID)),
        trace: headers.get("traceparent").and_then(TraceParent::parse),
        method: head.method.clone(),
        path: path[..cut].to_owned(),
        handler,
    }
}

fn respond(
    head: GuestHead,
    exchange: &Arc<Exchange>,
    job: JobHandle,
    deadline: Instant,
    running: Running,
    claim: StreamClaim,
    reset: Option<Peer>,
) -> Result<Response<AnswerBody>, Reason> {
    let (mut parts, body) = head.into_parts();
    hops::strip(&mut parts.headers);
    // What the host says about itself is not for guests to say.
    parts.headers.remove(PROXY_STATUS);
    let id = exchange.head.id.header_value();
    parts.headers.try_insert(REQUEST_ID, id).map_err(|_| Reason::GuestBadResponse)?;
    let bodiless = exchange.head.method == Method::HEAD
        || matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let declared = parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let length = match declared {
        _ if bodiless => Length::None,
        Some(1..) if body.is_end_stream() => return Err(Reason::BodyMismatch),
        Some(length) => Length::Declared(length),
        None => Length::Open,
    };
    let claim = match length != Length::None && is_event_stream(&parts.headers) {
        false => Some(claim),
        true if claim.take() => None,
        true => return Err(Reason::TooManyStreams),
    };
    exchange.answer(parts.status);
    let body = GuestBody::new(body, exchange.clone(), job, deadline, running, length, reset);
    Ok(Response::from_parts(parts, Either::Right(body.streams_by(claim))))
}

/// Whether the guest says that its response goes on and on (`text/event-stream`).
fn is_event_stream(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    content_type.split(';').next().is_some_and(|media| media.trim().eq_ignore_ascii_case("text/event-stream"))
}

/// Runs the request's side of the host; a panic in it is this request's own.
async fn contained<T>(request: impl Future<Output = Result<T, Refusal>>) -> Result<T, Refusal> {
    let mut request = pin!(request);
    poll_fn(|cx| {
        // After a panic the future is dropped unseen: nothing half-changed is looked at again.
        catch_unwind(AssertUnwindSafe(|| request.as_mut().poll(cx)))
            .unwrap_or(Poll::Ready(Err(Reason::HostPanic.into())))
    })
    .await
}
