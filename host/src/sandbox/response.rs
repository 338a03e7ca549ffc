//! Knows whether the guest finished its response's body.
//!
//! WASI calls a body that was not finished incomplete (`wasi:http/types.outgoing-body`).
//! wasmtime-wasi-http aborts one that the guest drops, but one that goes down with its whole store
//! ends like a finished one: a guest killed in the middle would look complete to its client. Two
//! functions are therefore wrapped: the one that hands out a response's body, to know it again, and
//! the one that finishes a body.

use super::state::HostState;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Release};
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi_http::p2::bindings::http::types::{
    ErrorCode, HostOutgoingBody as _, HostOutgoingResponse as _,
};
use wasmtime_wasi_http::p2::body::HostOutgoingBody;
use wasmtime_wasi_http::p2::types::HostOutgoingResponse;
use wasmtime_wasi_http::{FieldMap, WasiHttpView};

/// The interface whose functions are wrapped. Any 0.2 version finds it.
const TYPES: &str = "wasi:http/types@0.2.12";

/// Which body is the response's, and whether it was finished.
#[derive(Debug, Default)]
pub(super) struct ResponseWatch {
    body: Option<u32>,
    pub(super) finished: Arc<AtomicBool>,
}

/// Wraps the two functions in `linker`.
pub(super) fn watch(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let mut types = linker.instance(TYPES)?;
    types.func_wrap("[method]outgoing-response.body", body)?;
    types.func_wrap("[static]outgoing-body.finish", finish)?;
    linker.allow_shadowing(false);
    Ok(())
}

type BodyResult = (Result<Resource<HostOutgoingBody>, ()>,);

fn body(
    mut store: StoreContextMut<'_, HostState>,
    (response,): (Resource<HostOutgoingResponse>,),
) -> wasmtime::Result<BodyResult> {
    let state = store.data_mut();
    let body = state.http().body(response)?;
    if let Ok(body) = &body {
        state.response.body = Some(body.rep());
    }
    Ok((body,))
}

type Finish = (Resource<HostOutgoingBody>, Option<Resource<FieldMap>>);

fn finish(
    mut store: StoreContextMut<'_, HostState>,
    (body, trailers): Finish,
) -> wasmtime::Result<(Result<(), ErrorCode>,)> {
    let state = store.data_mut();
    let is_response = state.response.body == Some(body.rep());
    // Set before the library ends the body: its reader looks at the flag when it sees the end.
    if is_response {
        state.response.finished.store(true, Release);
        state.response.body = None;
    }
    match state.http().finish(body, trailers) {
        Ok(()) => Ok((Ok(()),)),
        Err(error) => Ok((Err(error.downcast()?),)),
    }
}
