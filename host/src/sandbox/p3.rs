//! One call of a guest of WASI 0.3: a task that returns the response, and others of the same guest that
//! go on with its body and with work of their own.
//!
//! All of them are polled here, inside the job's own future. The library's `ProxyHandler` would spawn
//! them where they do not belong.

use super::answer::{self, GuestHead};
use super::body::{BodyError, ResponseBody};
use super::passage::Passage;
use super::state::HostState;
use crate::outcome::Reason;
use crate::telemetry::Exchange;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, StatusCode};
use http_body::Body;
use std::future::poll_fn;
use std::sync::Arc;
use tokio::sync::oneshot;
use wasmtime::Store;
use wasmtime::component::Accessor;
use wasmtime_wasi_http::p3::bindings::Service;
use wasmtime_wasi_http::p3::{Request, Response};
use wasmtime_wasi_http::{Error, FieldMap, WasiHttpView};

/// Calls the guest with `request`; ends when no task of it is left and its response's body does not need
/// it any more.
pub(super) async fn call<B>(
    service: &Service,
    store: &mut Store<HostState>,
    request: http::Request<B>,
    answer: &mut Option<oneshot::Sender<GuestHead>>,
) -> wasmtime::Result<()>
where
    B: Body<Data = Bytes, Error = BodyError> + Send + 'static,
{
    let head_only = request.method() == Method::HEAD;
    let exchange = store.data().session.exchange.clone();
    let request = incoming(store.data_mut(), request);
    let ran = store.run_concurrent(async |accessor| {
        let response = match service.handle(accessor, request).await? {
            Ok(response) => response,
            Err(code) => {
                answer::refuse(&exchange, &code);
                return Ok(());
            }
        };
        let keep = |state: &mut HostState, passage| state.passage = Some(passage);
        let Some(answered) = give(accessor, response, head_only, answer, &exchange, keep)? else {
            return Ok(());
        };
        poll_fn(|cx| accessor.poll_no_interesting_tasks(cx)).await;
        answered.end().await;
        Ok(())
    });
    // The event loop's own failures are the guest's traps, too.
    ran.await.and_then(|called: wasmtime::Result<()>| called)
}

/// The request as the interface says: with its scheme and authority, whichever HTTP it came by.
pub(super) fn incoming<B>(state: &mut HostState, request: http::Request<B>) -> Request
where
    B: Body<Data = Bytes, Error = BodyError> + Send + 'static,
{
    let (head, body) = request.into_parts();
    let uri = head.uri.into_parts();
    // The connection's own word: a plain one says nothing.
    let scheme = head.extensions.get::<Scheme>().cloned().unwrap_or(Scheme::HTTP);
    let named = || head.headers.get(HOST).and_then(|host| Authority::try_from(host.as_bytes()).ok());
    // `OPTIONS *` has no path.
    let path = uri.path_and_query.filter(|path| path.as_str() != "*");
    let authority = uri.authority.or_else(named);
    let headers = FieldMap::new_immutable(state.http().hooks, head.headers);
    // What the guest says of how it took the body concerns nobody.
    let (request, _) = Request::new(
        head.method,
        Some(scheme),
        authority,
        Some(path.unwrap_or(PathAndQuery::from_static("/"))),
        headers,
        None,
        body,
    );
    request
}

/// Hands the response over to the connection, as that of `exchange`; none if it cannot be sent. `keep` puts it
/// where whoever takes the store down finds it.
pub(super) fn give(
    accessor: &Accessor<HostState>,
    response: Response,
    head_only: bool,
    answer: &mut Option<oneshot::Sender<GuestHead>>,
    exchange: &Exchange,
    keep: impl FnOnce(&mut HostState, Arc<Passage>),
) -> wasmtime::Result<Option<Answered>> {
    if response.status.is_informational() {
        exchange.fail(Reason::GuestBadResponse);
        return Ok(None);
    }
    let (sent, told) = oneshot::channel();
    let transmitted = async { told.await.unwrap_or(Err(Error::ConnectionTerminated)) };
    let (head, own) = accessor.with(|mut store| {
        store.data_mut().outbound().asked_chunk_size = false;
        let head = response.into_http_with_getter(&mut store, transmitted, HostState::http)?;
        wasmtime::error::Ok((head, store.data_mut().outbound().asked_chunk_size))
    })?;
    let (parts, frames) = head.into_parts();
    let declared = parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let bodiless = head_only || matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let passage = Arc::new(Passage::new(frames, declared, bodiless, sent));
    accessor.with(|mut store| keep(store.data_mut(), passage.clone()));
    let answered = Answered { passage: passage.clone(), own };
    if let Some(answer) = answer.take() {
        // Nobody listening means that the client went away, which others record.
        let _ = answer.send(http::Response::from_parts(parts, ResponseBody::through(passage)));
    }
    Ok(Some(answered))
}

/// A response that was handed over. Dropped with the tasks of the guest and before its store.
pub(super) struct Answered {
    passage: Arc<Passage>,
    /// Whether the guest itself writes the body. It may also pass on one that it was given, and then
    /// need not be there for it.
    own: bool,
}

impl Answered {
    /// Waits until the body is written, or nobody wants it any more; others of the guest's tasks go on.
    pub(super) async fn written(&self) {
        if self.own {
            poll_fn(|cx| self.passage.poll_ended(cx)).await;
        } else {
            self.passage.release();
        }
    }

    /// Waits, once no task is left, until the guest is not needed any more.
    async fn end(&self) {
        if self.own {
            let mut turns = 0;
            poll_fn(|cx| self.passage.poll_drained(cx, &mut turns)).await;
        } else {
            self.passage.release();
        }
    }
}

impl Drop for Answered {
    fn drop(&mut self) {
        self.passage.settle();
    }
}
