//! One call of a guest of WASI 0.2: it gets an outparam, and answers by setting it.

use super::answer::{Answer, GuestHead};
use super::body::BodyError;
use super::state::HostState;
use bytes::Bytes;
use http_body::Body;
use tokio::sync::oneshot;
use wasmtime::Store;
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::p2::bindings::Proxy;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;

/// Calls the guest with `request`; ends when it returns.
pub(super) async fn call<B>(
    proxy: &Proxy,
    store: &mut Store<HostState>,
    request: http::Request<B>,
    answer: &mut Option<oneshot::Sender<GuestHead>>,
) -> wasmtime::Result<()>
where
    B: Body<Data = Bytes, Error = BodyError> + Send + 'static,
{
    let state = store.data_mut();
    let answer = Answer::new(answer.take(), state.response.sent.clone(), state.session.exchange.clone());
    // The connection's own word: a plain one says nothing.
    let scheme = match request.extensions().get::<http::uri::Scheme>() {
        Some(scheme) if *scheme == http::uri::Scheme::HTTPS => Scheme::Https,
        Some(_) | None => Scheme::Http,
    };
    let mut http = state.http();
    let request = http.new_incoming_request(scheme, request)?;
    let outparam = http.new_response_outparam_from_callback(|response| answer.give(response))?;
    let incoming = proxy.wasi_http_incoming_handler();
    incoming.call_handle(&mut *store, request, outparam).await
}
