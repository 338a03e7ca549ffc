//! What a version goes through before it answers anyone: an instance is made, and where a path is named to ask
//! for, it is asked.

use super::refusal::{Refusal, RefusalReason};
use crate::admission::{Admission, HandlerShare, RequestPermit};
use crate::executor::Executor;
use crate::handlers::{Deployed, Identity};
use crate::outcome::{Outcome, Reason};
use crate::sandbox::{BodyError, Budget, GuestHead, invoke, try_instance};
use crate::telemetry::{Exchange, HandlerStats};
use bytes::Bytes;
use http::header::HOST;
use http::uri::PathAndQuery;
use http::{Method, Request};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// How long a trial may wait for an instance among those of requests.
const PERMIT_TIME_MAX: Duration = Duration::from_secs(30);
/// Bytes of an answer that are read; what comes after them is not waited for.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// What the log calls the request that makes an instance and asks it for nothing.
const NO_PATH: &str = "(trial)";

/// Where trials are made.
pub(super) struct Stage {
    pub(super) admission: Arc<Admission>,
    pub(super) executor: Arc<Executor>,
    /// The runtime whose timers are waited for; never waited on from one of its own threads.
    pub(super) io: Handle,
    /// Who trials are to those who share: no handler's requests.
    identity: Identity,
}

impl Stage {
    pub(super) fn new(
        admission: Arc<Admission>,
        executor: Arc<Executor>,
        io: Handle,
        slice: Duration,
    ) -> Self {
        Self { admission, executor, io, identity: Identity::new(HandlerStats::new(slice)) }
    }

    /// Tries a version, and waits for what comes of it: not for threads that others wait for.
    ///
    /// # Errors
    /// What it did.
    pub(super) fn try_out(&self, version: &Deployed, check: Option<&str>) -> Result<(), Refusal> {
        let permit = self.io.block_on(self.permit())?;
        let limits = version.handler.limits();
        let what = check.unwrap_or(NO_PATH);
        let exchange = Exchange::aside(version.handler.name().clone(), what, self.identity.stats.clone());
        let budget = Arc::new(Budget::new(limits.timeout, limits.cpu_time, exchange.clone()));
        match check {
            None => self.instantiate(version, budget, &exchange, permit),
            Some(path) => self.io.block_on(self.ask(version, path, budget, &exchange, permit)),
        }
    }

    /// A place among the instances, for which requests do not give way.
    async fn permit(&self) -> Result<RequestPermit, Refusal> {
        let share = HandlerShare { handler: self.identity.key(), concurrency: NonZeroU32::MIN };
        let due = Instant::now() + PERMIT_TIME_MAX;
        loop {
            let refusal = match self.admission.admit(share).await {
                Ok(permit) => return Ok(permit),
                Err(refusal) => refusal,
            };
            if Instant::now() >= due {
                let detail = format!("no instance came free to try it: {}", refusal.reason.label());
                return Err(Refusal::new(RefusalReason::Busy, detail));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn instantiate(
        &self,
        version: &Deployed,
        budget: Arc<Budget>,
        exchange: &Arc<Exchange>,
        permit: RequestPermit,
    ) -> Result<(), Refusal> {
        let deadline = budget.deadline;
        let (tx, rx) = oneshot::channel::<()>();
        let guest = {
            let (handler, budget, exchange) = (version.handler.clone(), budget.clone(), exchange.clone());
            async move {
                // Goes with the future, whatever becomes of it.
                let _ended = tx;
                try_instance(handler, budget, exchange).await;
            }
        };
        let job = self.executor.spawn(self.identity.key(), guest, budget, exchange.clone(), permit);
        let ended = self.io.block_on(async { tokio::time::timeout_at(deadline.into(), rx).await });
        drop(job);
        let reason = match (ended, exchange.outcome()) {
            (_, Some(Outcome::Answered)) => return Ok(()),
            (_, Some(Outcome::Failed(reason))) => reason,
            (Ok(_), None) => Reason::ExecutorLost,
            (Err(_), None) => exchange.fail(Reason::GuestTimeout),
        };
        Err(failed("no instance of it can be made", reason))
    }

    async fn ask(
        &self,
        version: &Deployed,
        path: &str,
        budget: Arc<Budget>,
        exchange: &Arc<Exchange>,
        permit: RequestPermit,
    ) -> Result<(), Refusal> {
        let deadline = tokio::time::Instant::from_std(budget.deadline);
        let what = format!("GET {path}");
        let request = request(path).map_err(|error| Refusal::new(RefusalReason::BadSettings, error))?;
        let (tx, rx) = oneshot::channel();
        let guest = invoke(version.handler.clone(), request, tx, budget.clone(), exchange.clone());
        let job = self.executor.spawn(self.identity.key(), guest, budget, exchange.clone(), permit);
        let answered = tokio::time::timeout_at(deadline, rx).await;
        let head: GuestHead = match answered {
            Ok(Ok(head)) => head,
            Ok(Err(_)) => return Err(failed(&what, exchange.failure().unwrap_or(Reason::ExecutorLost))),
            Err(_) => return Err(failed(&what, exchange.fail(Reason::GuestTimeout))),
        };
        let status = head.status();
        exchange.answer(status);
        let body =
            tokio::time::timeout_at(deadline, Limited::new(head.into_body(), ANSWER_BYTES_MAX).collect());
        let cut = match body.await {
            Ok(Ok(_)) => None,
            Ok(Err(error)) if error.is::<LengthLimitError>() => None,
            Ok(Err(_)) => Some(exchange.failure().unwrap_or(Reason::BodyUnfinished)),
            Err(_) => Some(Reason::GuestTimeout),
        };
        drop(job);
        if let Some(reason) = cut {
            return Err(failed(&what, exchange.fail(reason)));
        }
        exchange.end(Outcome::Answered);
        match status.is_server_error() {
            true => {
                let detail =
                    format!("{what} was answered with {}; expected a status below 500", status.as_u16());
                Err(Refusal::new(RefusalReason::TrialFailed, detail))
            }
            false => Ok(()),
        }
    }
}

fn request(
    path: &str,
) -> Result<Request<http_body_util::combinators::MapErr<Empty<Bytes>, NoError>>, String> {
    let path: PathAndQuery = path.parse().map_err(|error| format!("`check`: {error}"))?;
    let none: NoError = |never| match never {};
    Request::builder()
        .method(Method::GET)
        .uri(http::Uri::from(path))
        .header(HOST, "localhost")
        .header("user-agent", concat!("wasm-host/", env!("CARGO_PKG_VERSION")))
        .body(Empty::new().map_err(none))
        .map_err(|error| error.to_string())
}

/// An empty body has none.
type NoError = fn(std::convert::Infallible) -> BodyError;

fn failed(what: &str, reason: Reason) -> Refusal {
    let detail = format!("{what}: {} ({})", reason.title(), reason.label());
    Refusal::new(RefusalReason::TrialFailed, detail)
}
