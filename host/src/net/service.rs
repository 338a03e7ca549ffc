//! The way of one request: checked, admitted, given to an instance, and its answer sent back.

use super::answer::{AnswerBody, REQUEST_ID, problem};
use super::drain::Drain;
use super::guest_body::{GuestBody, Length};
use super::head::{self, LOGGED_PATH_BYTES_MAX};
use super::native;
use super::request_body::RequestBody;
use crate::admission::Admission;
use crate::config::NetConfig;
use crate::executor::{Executor, JobHandle};
use crate::outcome::Reason;
use crate::sandbox::{Budget, GuestHead, Handler, invoke};
use crate::telemetry::{Exchange, RequestHead, RequestId, TraceParent};
use http::header::CONTENT_LENGTH;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Either;
use hyper::body::Incoming;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::oneshot;

/// What every connection shares.
pub struct Host {
    /// The network's settings.
    pub config: NetConfig,
    /// Who is let in.
    pub admission: Admission,
    /// Where guests run.
    pub executor: Executor,
    /// What is served.
    pub handler: Arc<Handler>,
    /// How far a shutdown has come.
    pub drain: Drain,
}

/// Answers the requests of one connection.
#[derive(Clone)]
pub(super) struct Service {
    host: Arc<Host>,
    local: SocketAddr,
}

impl Service {
    /// A service for a connection to the address `local`.
    pub(super) fn new(host: Arc<Host>, local: SocketAddr) -> Self {
        Self { host, local }
    }

    /// Answers one request. Dropping it while it waits ends the guest: the client is gone.
    pub(super) async fn answer(self, request: Request<Incoming>) -> Response<AnswerBody> {
        if let Some(answer) = native::answer(&request, &self.host) {
            return answer;
        }
        let exchange = Exchange::new(describe(&request, self.host.handler.name()));
        match self.serve(request, &exchange).await {
            Ok(answer) => answer,
            Err(reason) => {
                let reason = exchange.fail(reason);
                exchange.answer(reason.status());
                problem(reason, &exchange.head.id.header_value())
            }
        }
    }

    async fn serve(
        &self,
        request: Request<Incoming>,
        exchange: &Arc<Exchange>,
    ) -> Result<Response<AnswerBody>, Reason> {
        let host = &self.host;
        let (mut head, body) = request.into_parts();
        head::check(&head, &host.config)?;
        if host.drain.draining() {
            return Err(Reason::Draining);
        }
        let permit = host.admission.admit().await?;
        head::hand_over(&mut head, &exchange.head.id, &self.local.to_string());
        let config = &host.config;
        let (body, faults) =
            RequestBody::new(body, config.body_bytes_max, config.body_timeout, exchange.clone());
        let limits = host.handler.limits();
        let budget = Arc::new(Budget::new(limits.timeout, limits.cpu_time, exchange.clone()));
        let deadline = budget.deadline;
        let (tx, rx) = oneshot::channel();
        let request = Request::from_parts(head, body);
        let guest = invoke(host.handler.clone(), request, tx, budget.clone(), exchange.clone());
        let job = host.executor.spawn(guest, budget, exchange.clone(), permit);
        let head = self.await_head(rx, faults, deadline, exchange).await?;
        Ok(respond(head, exchange, job, deadline))
    }

    /// Waits for the guest's head, or for whatever ends the request before there is one. The
    /// deadline holds here, too: whatever became of the guest, the client is answered.
    async fn await_head(
        &self,
        head: oneshot::Receiver<GuestHead>,
        mut faults: oneshot::Receiver<Reason>,
        deadline: Instant,
        exchange: &Exchange,
    ) -> Result<GuestHead, Reason> {
        let mut drain = self.host.drain.signal();
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
        }
    }
}

fn describe(request: &Request<Incoming>, handler: &Arc<str>) -> RequestHead {
    let headers = request.headers();
    let path = request.uri().path();
    let cut = path.floor_char_boundary(LOGGED_PATH_BYTES_MAX);
    RequestHead {
        id: RequestId::from_client(headers.get(REQUEST_ID)),
        trace: headers.get("traceparent").and_then(TraceParent::parse),
        method: request.method().clone(),
        path: path[..cut].to_owned(),
        handler: handler.clone(),
    }
}

fn respond(
    head: GuestHead,
    exchange: &Arc<Exchange>,
    job: JobHandle,
    deadline: Instant,
) -> Response<AnswerBody> {
    let (mut parts, body) = head.into_parts();
    parts.headers.insert(REQUEST_ID, exchange.head.id.header_value());
    exchange.answer(parts.status);
    let bodiless = exchange.head.method == Method::HEAD
        || matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let declared = parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let length = match declared {
        _ if bodiless => Length::None,
        Some(length) => Length::Declared(length),
        None => Length::Open,
    };
    let body = GuestBody::new(body, exchange.clone(), job, deadline, length);
    Response::from_parts(parts, Either::Right(body))
}
