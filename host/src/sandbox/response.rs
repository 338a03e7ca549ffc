//! Knows which response the guest sent, and whether it finished that response's body.
//!
//! WASI calls a body that was not finished incomplete (`wasi:http/types.outgoing-body`).
//! wasmtime-wasi-http aborts one that the guest drops, but one that goes down with its whole store
//! ends like a finished one: a guest killed in the middle would look complete to its client. Three
//! functions are therefore wrapped: the one that hands out a response's body, the one that sends a
//! response and the one that finishes a body.

use super::state::HostState;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering::Acquire, Ordering::Release};
use std::sync::{Arc, OnceLock};
use wasmtime::StoreContextMut;
use wasmtime::component::{LinkerInstance, Resource};
use wasmtime_wasi_http::p2::bindings::http::types::{
    ErrorCode, HostOutgoingBody as _, HostOutgoingResponse as _, HostResponseOutparam as _,
};
use wasmtime_wasi_http::p2::body::HostOutgoingBody;
use wasmtime_wasi_http::p2::types::{HostOutgoingResponse, HostResponseOutparam};
use wasmtime_wasi_http::{FieldMap, WasiHttpView};

/// Whether a body was finished; shared with whoever reads it.
pub(super) type Finished = Arc<AtomicBool>;

/// The bodies of the responses that a guest made, and which of them was sent. Bounded by the guest's
/// handles.
#[derive(Debug, Default)]
pub(super) struct ResponseWatch {
    by_body: HashMap<u32, Finished>,
    by_response: HashMap<u32, Finished>,
    /// Set by the response that was sent.
    pub(super) sent: Arc<OnceLock<Finished>>,
}

impl ResponseWatch {
    /// Watches for the response of another request. What the guest made before, it may still send.
    pub(super) fn next(&mut self) {
        self.sent = Arc::default();
    }

    /// Whether the guest has sent a response and finished its body.
    pub(super) fn answered(&self) -> bool {
        self.sent.get().is_some_and(|finished| finished.load(Acquire))
    }
}

/// Wraps the functions of `wasi:http/types`.
pub(super) fn watch(types: &mut LinkerInstance<'_, HostState>) -> wasmtime::Result<()> {
    types.func_wrap("[method]outgoing-response.body", body)?;
    types.func_wrap("[static]response-outparam.set", set)?;
    types.func_wrap("[static]outgoing-body.finish", finish)
}

type BodyResult = Result<Resource<HostOutgoingBody>, ()>;

fn body(
    mut store: StoreContextMut<'_, HostState>,
    (response,): (Resource<HostOutgoingResponse>,),
) -> wasmtime::Result<(BodyResult,)> {
    let state = store.data_mut();
    let response_rep = response.rep();
    let body = state.http().body(response)?;
    if let Ok(body) = &body {
        let finished = Finished::default();
        state.response.by_body.insert(body.rep(), finished.clone());
        state.response.by_response.insert(response_rep, finished);
    }
    Ok((body,))
}

type ResponseResult = Result<Resource<HostOutgoingResponse>, ErrorCode>;

fn set(
    mut store: StoreContextMut<'_, HostState>,
    (outparam, response): (Resource<HostResponseOutparam>, ResponseResult),
) -> wasmtime::Result<()> {
    let state = store.data_mut();
    if let Ok(response) = &response {
        let taken = state.response.by_response.remove(&response.rep());
        // A body that was never taken is empty, and nothing is left to finish.
        let finished = taken.unwrap_or_else(|| Arc::new(AtomicBool::new(true)));
        // A second response cannot be sent: there is one outparam.
        let _ = state.response.sent.set(finished);
    }
    state.http().set(outparam, response)
}

type FinishParams = (Resource<HostOutgoingBody>, Option<Resource<FieldMap>>);

fn finish(
    mut store: StoreContextMut<'_, HostState>,
    (body, trailers): FinishParams,
) -> wasmtime::Result<(Result<(), ErrorCode>,)> {
    let state = store.data_mut();
    let finished = state.response.by_body.remove(&body.rep());
    let mark = |done| {
        if let Some(finished) = &finished {
            finished.store(done, Release);
        }
    };
    // Before the library ends the body: its reader looks at the mark once it sees the end. Where the
    // library refuses, the reader does not see an end.
    mark(true);
    state.http().finish(body, trailers).map_or_else(
        |error| {
            mark(false);
            Ok((Err(error.downcast()?),))
        },
        |()| Ok((Ok(()),)),
    )
}
