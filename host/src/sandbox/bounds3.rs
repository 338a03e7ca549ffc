//! The bounds of [`super::bounds`] for guests of WASI 0.3: parts of outgoing requests, each of which a
//! guest could make as large as one host call and hold as often as it has handles.

use super::bounds::{AUTHORITY_BYTES_MAX, PATH_BYTES_MAX, TOKEN_BYTES_MAX};
use super::state::HostState;
use wasmtime::StoreContextMut;
use wasmtime::component::{LinkerInstance, Resource};
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::p3::Request;
use wasmtime_wasi_http::p3::bindings::http::types::{HostRequest as _, Method, Scheme};

type SetResult = (Result<(), ()>,);

/// Wraps the setters of `wasi:http/types.request`.
pub(super) fn bound_requests(types: &mut LinkerInstance<'_, HostState>) -> wasmtime::Result<()> {
    types.func_wrap("[method]request.set-method", set_method)?;
    types.func_wrap("[method]request.set-scheme", set_scheme)?;
    types.func_wrap("[method]request.set-authority", set_authority)?;
    types.func_wrap("[method]request.set-path-with-query", set_path_with_query)
}

fn set_method(
    mut store: StoreContextMut<'_, HostState>,
    (request, method): (Resource<Request>, Method),
) -> wasmtime::Result<SetResult> {
    if matches!(&method, Method::Other(name) if name.len() > TOKEN_BYTES_MAX) {
        return Ok((Err(()),));
    }
    Ok((store.data_mut().http().set_method(request, method)?,))
}

fn set_scheme(
    mut store: StoreContextMut<'_, HostState>,
    (request, scheme): (Resource<Request>, Option<Scheme>),
) -> wasmtime::Result<SetResult> {
    if matches!(&scheme, Some(Scheme::Other(name)) if name.len() > TOKEN_BYTES_MAX || name.is_empty()) {
        return Ok((Err(()),));
    }
    Ok((store.data_mut().http().set_scheme(request, scheme)?,))
}

fn set_authority(
    mut store: StoreContextMut<'_, HostState>,
    (request, authority): (Resource<Request>, Option<String>),
) -> wasmtime::Result<SetResult> {
    if authority.as_ref().is_some_and(|authority| authority.len() > AUTHORITY_BYTES_MAX) {
        return Ok((Err(()),));
    }
    Ok((store.data_mut().http().set_authority(request, authority)?,))
}

fn set_path_with_query(
    mut store: StoreContextMut<'_, HostState>,
    (request, path): (Resource<Request>, Option<String>),
) -> wasmtime::Result<SetResult> {
    if path.as_ref().is_some_and(|path| path.len() > PATH_BYTES_MAX) {
        return Ok((Err(()),));
    }
    Ok((store.data_mut().http().set_path_with_query(request, path)?,))
}
