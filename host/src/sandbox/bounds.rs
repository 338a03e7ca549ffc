//! Bounds on what a guest makes the host keep, where the library has none: parts of outgoing requests,
//! each of which a guest could make as large as one host call and hold as often as it has handles.

use super::state::HostState;
use wasmtime::StoreContextMut;
use wasmtime::component::{LinkerInstance, Resource};
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::p2::bindings::http::outgoing_handler::Host as _;
use wasmtime_wasi_http::p2::bindings::http::types::{
    ErrorCode, HostOutgoingRequest as _, Method, RequestOptions, Scheme,
};
use wasmtime_wasi_http::p2::types::{HostFutureIncomingResponse, HostOutgoingRequest};

/// Bytes of a method or scheme; the longest registered ones have 17.
pub(super) const TOKEN_BYTES_MAX: usize = 64;
/// Bytes of an authority; a host name has 253 at most.
pub(super) const AUTHORITY_BYTES_MAX: usize = 1024;
/// Bytes of a path with its query.
pub(super) const PATH_BYTES_MAX: usize = 8 * 1024;

type Request = Resource<HostOutgoingRequest>;
type SetResult = (Result<(), ()>,);

/// Wraps the setters of `wasi:http/types.outgoing-request`.
pub(super) fn bound_requests(types: &mut LinkerInstance<'_, HostState>) -> wasmtime::Result<()> {
    types.func_wrap("[method]outgoing-request.set-method", set_method)?;
    types.func_wrap("[method]outgoing-request.set-scheme", set_scheme)?;
    types.func_wrap("[method]outgoing-request.set-authority", set_authority)?;
    types.func_wrap("[method]outgoing-request.set-path-with-query", set_path_with_query)
}

/// Wraps `wasi:http/outgoing-handler.handle`: what is not granted is denied at once, before the
/// library starts a task for it.
pub(super) fn deny_early(handler: &mut LinkerInstance<'_, HostState>) -> wasmtime::Result<()> {
    handler.func_wrap("handle", handle)
}

fn set_method(
    mut store: StoreContextMut<'_, HostState>,
    (request, method): (Request, Method),
) -> wasmtime::Result<SetResult> {
    if matches!(&method, Method::Other(name) if name.len() > TOKEN_BYTES_MAX) {
        return Ok((Err(()),));
    }
    Ok((store.data_mut().http().set_method(request, method)?,))
}

fn set_scheme(
    mut store: StoreContextMut<'_, HostState>,
    (request, scheme): (Request, Option<Scheme>),
) -> wasmtime::Result<SetResult> {
    if matches!(&scheme, Some(Scheme::Other(name)) if name.len() > TOKEN_BYTES_MAX || name.is_empty()) {
        return Ok((Err(()),));
    }
    Ok((store.data_mut().http().set_scheme(request, scheme)?,))
}

fn set_authority(
    mut store: StoreContextMut<'_, HostState>,
    (request, authority): (Request, Option<String>),
) -> wasmtime::Result<SetResult> {
    if authority.as_ref().is_some_and(|authority| authority.len() > AUTHORITY_BYTES_MAX) {
        return Ok((Err(()),));
    }
    Ok((store.data_mut().http().set_authority(request, authority)?,))
}

fn set_path_with_query(
    mut store: StoreContextMut<'_, HostState>,
    (request, path): (Request, Option<String>),
) -> wasmtime::Result<SetResult> {
    if path.as_ref().is_some_and(|path| path.len() > PATH_BYTES_MAX) {
        return Ok((Err(()),));
    }
    Ok((store.data_mut().http().set_path_with_query(request, path)?,))
}

type HandleResult = Result<Resource<HostFutureIncomingResponse>, ErrorCode>;

fn handle(
    mut store: StoreContextMut<'_, HostState>,
    (request, options): (Request, Option<Resource<RequestOptions>>),
) -> wasmtime::Result<(HandleResult,)> {
    let state = store.data_mut();
    if !state.allows(&request)? {
        state.http().table.delete(request)?;
        return Ok((Err(ErrorCode::HttpRequestDenied),));
    }
    // No path stands for an empty one, of which the library makes a broken URI.
    state.http().table.get_mut(&request)?.path_with_query.get_or_insert_with(|| "/".to_owned());
    match state.http().handle(request, options) {
        Ok(response) => Ok((Ok(response),)),
        Err(error) => Ok((Err(error.downcast()?),)),
    }
}
