//! What a guest may import: all of WASI 0.2 as an empty world (no environment, arguments, files or
//! sockets unless granted) and wasi:http. What is not here is refused at start, by name.

use super::bounds;
use super::component::LoadError;
use super::response;
use super::state::HostState;
use wasmtime::Engine;
use wasmtime::component::{Component, Linker};
use wasmtime_wasi_http::p2::bindings::ProxyPre;

/// The packages that [`linker`] provides, at any 0.2.x version.
const PROVIDED: &[&str] = &[
    "wasi:cli/",
    "wasi:clocks/",
    "wasi:filesystem/",
    "wasi:http/",
    "wasi:io/",
    "wasi:random/",
    "wasi:sockets/",
];

/// Interfaces of which functions are wrapped, at the version of the library: others find them, too.
const TYPES: &str = "wasi:http/types@0.2.12";
const OUTGOING_HANDLER: &str = "wasi:http/outgoing-handler@0.2.12";

const HANDLER: &str = "wasi:http/incoming-handler@0.2";

/// Links `component` against everything the host provides.
pub(super) fn link(engine: &Engine, component: &Component) -> Result<ProxyPre<HostState>, LoadError> {
    check_exports(engine, component)?;
    check_imports(engine, component)?;
    let linker = linker(engine).map_err(LoadError::Link)?;
    let pre = linker.instantiate_pre(component).map_err(LoadError::Link)?;
    ProxyPre::new(pre).map_err(LoadError::Link)
}

fn linker(engine: &Engine) -> wasmtime::Result<Linker<HostState>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    linker.allow_shadowing(true);
    let mut types = linker.instance(TYPES)?;
    response::watch(&mut types)?;
    bounds::bound_requests(&mut types)?;
    bounds::deny_early(&mut linker.instance(OUTGOING_HANDLER)?)?;
    linker.allow_shadowing(false);
    Ok(linker)
}

fn check_exports(engine: &Engine, component: &Component) -> Result<(), LoadError> {
    let ty = component.component_type();
    let exports: Vec<_> = ty.exports(engine).map(|(name, _)| name.to_owned()).collect();
    if exports.iter().any(|name| name.starts_with(HANDLER)) {
        return Ok(());
    }
    let has = |prefix| exports.iter().any(|name| name.starts_with(prefix));
    let hint = if has("wasi:http/handler@0.3") {
        ": a WASI 0.3 handler, which this version does not serve yet"
    } else if has("wasi:cli/run@") {
        ": a command; build it as a handler (for Rust, the crate `wasip2` and its `export!`)"
    } else {
        ""
    };
    let exports = if exports.is_empty() { "nothing".to_owned() } else { exports.join(", ") };
    Err(LoadError::NoHandler { exports, hint })
}

/// Names every import at once that nothing provides, with what would be in its place.
fn check_imports(engine: &Engine, component: &Component) -> Result<(), LoadError> {
    let ty = component.component_type();
    let ungranted: Vec<_> =
        ty.imports(engine).filter_map(|(name, _)| Some(format!("{name} ({})", refusal(name)?))).collect();
    if ungranted.is_empty() { Ok(()) } else { Err(LoadError::Ungranted(ungranted.join("; "))) }
}

/// Why nothing provides this import; none if something does.
fn refusal(import: &str) -> Option<&'static str> {
    let (interface, version) = import.split_once('@').unwrap_or((import, ""));
    let provided = PROVIDED.iter().any(|package| interface.starts_with(package));
    if !provided {
        Some("no setting grants it")
    } else if !version.starts_with("0.2.") {
        Some("only version 0.2 of it is provided")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn provided_interfaces_are_granted_and_others_are_named() {
        for granted in ["wasi:cli/environment@0.2.0", "wasi:http/types@0.2.12", "wasi:io/poll@0.2.3"] {
            assert_eq!(refusal(granted), None, "{granted}");
        }
        for refused in ["wasi:keyvalue/store@0.2.0", "wasi:clix/x@0.2.0", "wasi:http/types@0.3.0", "log"] {
            assert!(refusal(refused).is_some(), "{refused}");
        }
    }
}
