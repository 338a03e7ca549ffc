//! `wasi:http/types.http-error-code`: which HTTP error a stream's error is.
//!
//! wasmtime-wasi-http looks for a type of error that the bodies it reads do not fail with, so that a
//! guest would never learn why a body broke off. The function is therefore wrapped.

use super::state::HostState;
use wasmtime::StoreContextMut;
use wasmtime::component::{LinkerInstance, Resource};
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, IoError};
use wasmtime_wasi_http::{Error, WasiHttpView};

/// Wraps the function of `wasi:http/types`.
pub(super) fn tell(types: &mut LinkerInstance<'_, HostState>) -> wasmtime::Result<()> {
    types.func_wrap("http-error-code", http_error_code)
}

fn http_error_code(
    mut store: StoreContextMut<'_, HostState>,
    (error,): (Resource<IoError>,),
) -> wasmtime::Result<(Option<ErrorCode>,)> {
    let view = store.data_mut().http();
    let error = view.table.get(&error)?;
    let code = error.downcast_ref::<ErrorCode>().cloned();
    Ok((code.or_else(|| error.downcast_ref().map(code_of)),))
}

/// The code of what bodies fail with.
fn code_of(error: &Error) -> ErrorCode {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the others are not of bodies, and the library adds to them"
    )]
    match error {
        Error::HttpRequestBodySize(size) => ErrorCode::HttpRequestBodySize(*size),
        Error::HttpResponseBodySize(size) => ErrorCode::HttpResponseBodySize(*size),
        Error::HttpResponseIncomplete => ErrorCode::HttpResponseIncomplete,
        Error::HttpResponseTimeout => ErrorCode::HttpResponseTimeout,
        Error::ConnectionReadTimeout => ErrorCode::ConnectionReadTimeout,
        Error::ConnectionTimeout => ErrorCode::ConnectionTimeout,
        Error::ConnectionTerminated => ErrorCode::ConnectionTerminated,
        Error::Hyper(error) if error.is_timeout() => ErrorCode::HttpResponseTimeout,
        Error::Hyper(error) if error.is_incomplete_message() => ErrorCode::HttpResponseIncomplete,
        Error::HttpProtocolError | Error::Hyper(_) => ErrorCode::HttpProtocolError,
        _ => ErrorCode::InternalError(None),
    }
}
