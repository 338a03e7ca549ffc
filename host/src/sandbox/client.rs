//! `wasi:http/client.send` of WASI 0.3, where the library's falls short of the interface: a request
//! without a path is one for `/`, and one that was not sent says so to who made it.

use super::state::HostState;
use http::header::HOST;
use http::uri::PathAndQuery;
use std::pin::Pin;
use tokio::sync::oneshot;
use wasmtime::component::{Accessor, LinkerInstance, Resource};
use wasmtime_wasi_http::p3::bindings::http::client::HostWithStore as _;
use wasmtime_wasi_http::p3::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::p3::{Request, Response};
use wasmtime_wasi_http::{Error, FieldMap, WasiHttp, WasiHttpView};

type SendResult = Result<Resource<Response>, ErrorCode>;
/// How the sending of a request ended.
type Transmission = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

/// Wraps `wasi:http/client.send`.
pub(super) fn send_as_specified(client: &mut LinkerInstance<'_, HostState>) -> wasmtime::Result<()> {
    client.func_wrap_concurrent("send", |accessor, (request,): (Resource<Request>,)| {
        Box::pin(async move { Ok((send(accessor, request).await?,)) })
    })
}

async fn send(accessor: &Accessor<HostState>, request: Resource<Request>) -> wasmtime::Result<SendResult> {
    let (transmission, told) = oneshot::channel::<Transmission>();
    // Told nothing, it was given up.
    let transmitted = async {
        match told.await {
            Ok(transmission) => transmission.await,
            Err(_) => Err(Error::ConnectionTerminated),
        }
    };
    let failed = |transmission: oneshot::Sender<Transmission>, code: &ErrorCode| {
        let code = code.clone();
        // Who made the request may not want to know.
        let _ = transmission.send(Box::pin(async move { Err(code.into()) }));
    };
    let (request, result) = match accessor.with(|store| restate(store, request, transmitted))? {
        Ok(restated) => restated,
        Err(code) => {
            failed(transmission, &code);
            return Ok(Err(code));
        }
    };
    let accessor = accessor.with_getter::<WasiHttp>(HostState::http);
    match WasiHttp::send(&accessor, request).await {
        Ok(response) => {
            let _ = transmission.send(result);
            Ok(Ok(response))
        }
        Err(error) => {
            let code = error.downcast()?;
            failed(transmission, &code);
            Ok(Err(code))
        }
    }
}

type Restated = Result<(Resource<Request>, Transmission), ErrorCode>;

/// Makes of the guest's request one of the host's with the same content, of which the guest hears what
/// `transmitted` says.
fn restate(
    mut store: wasmtime::component::Access<'_, HostState>,
    request: Resource<Request>,
    transmitted: impl Future<Output = Result<(), Error>> + Send + 'static,
) -> wasmtime::Result<Restated> {
    let mut request = store.data_mut().http().table.delete(request)?;
    request.path_with_query.get_or_insert(PathAndQuery::from_static("/"));
    let (request, options) = match request.into_http_with_getter(&mut store, transmitted, HostState::http) {
        Ok(restated) => restated,
        Err(error) => return Ok(Err(error.downcast()?)),
    };
    let (mut head, body) = request.into_parts();
    // It is written anew when the request is sent.
    head.headers.remove(HOST);
    let uri = head.uri.into_parts();
    let http = store.data_mut().http();
    let headers = FieldMap::new_immutable(http.hooks, head.headers);
    let (request, result) =
        Request::new(head.method, uri.scheme, uri.authority, uri.path_and_query, headers, options, body);
    Ok(Ok((http.table.push(request)?, Box::pin(result))))
}
