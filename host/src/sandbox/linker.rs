//! What a guest may import: all of WASI 0.2, and for a guest of WASI 0.3 all of that, too, as an empty
//! world (no environment, arguments, files or sockets unless granted), and wasi:http. What is not here is
//! refused at start, by name.

use super::component::LoadError;
use super::error_code;
use super::state::HostState;
use super::world::{Linked, World};
use super::{bounds, bounds3, client, response};
use wasmtime::Engine;
use wasmtime::component::{Component, Linker};
use wasmtime_wasi_http::p2::bindings::ProxyPre;
use wasmtime_wasi_http::p3::bindings::ServicePre;

/// The packages that [`linker`] provides.
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

/// The same for WASI 0.3.
const TYPES_3: &str = "wasi:http/types@0.3.0";
const CLIENT_3: &str = "wasi:http/client@0.3.0";
/// What only another component provides, to the middleware in front of it.
const MIDDLEWARE: [&str; 2] = ["wasi:http/incoming-handler", "wasi:http/handler"];

/// Links `component` against everything the host provides.
pub(super) fn link(engine: &Engine, component: &Component) -> Result<Linked, LoadError> {
    let world = world(engine, component)?;
    check_imports(engine, component, world)?;
    let linker = linker(engine, world).map_err(LoadError::Link)?;
    let pre = linker.instantiate_pre(component).map_err(LoadError::Link)?;
    match world {
        World::P2 => ProxyPre::new(pre).map(Linked::P2),
        World::P3 => ServicePre::new(pre).map(Linked::P3),
    }
    .map_err(LoadError::Link)
}

/// All that a component of `world` may import.
pub(super) fn linker(engine: &Engine, world: World) -> wasmtime::Result<Linker<HostState>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    if world == World::P3 {
        wasmtime_wasi::p3::add_to_linker(&mut linker)?;
        wasmtime_wasi_http::p3::add_to_linker(&mut linker)?;
    }
    linker.allow_shadowing(true);
    let mut types = linker.instance(TYPES)?;
    response::watch(&mut types)?;
    error_code::tell(&mut types)?;
    bounds::bound_requests(&mut types)?;
    bounds::deny_early(&mut linker.instance(OUTGOING_HANDLER)?)?;
    if world == World::P3 {
        bounds3::bound_requests(&mut linker.instance(TYPES_3)?)?;
        client::send_as_specified(&mut linker.instance(CLIENT_3)?)?;
    }
    linker.allow_shadowing(false);
    Ok(linker)
}

fn world(engine: &Engine, component: &Component) -> Result<World, LoadError> {
    let ty = component.component_type();
    let exports: Vec<_> = ty.exports(engine).map(|(name, _)| name.to_owned()).collect();
    if let Some(world) = exports.iter().filter_map(|name| World::exported_as(name)).max() {
        return Ok(world);
    }
    let has = |prefix| exports.iter().any(|name| name.starts_with(prefix));
    let hint = if has("wasi:http/handler@") || has("wasi:http/incoming-handler@") {
        ": a handler for a version of WASI that was never a standard; build it anew with a current toolchain"
    } else if has("wasi:cli/run@") {
        ": a command; build it as a handler (for Rust, the crate `wasip3` or `wasip2` and its `export!`)"
    } else {
        ""
    };
    let exports = if exports.is_empty() { "nothing".to_owned() } else { exports.join(", ") };
    Err(LoadError::NoHandler { exports, hint })
}

/// Names every import at once that nothing provides, with what would be in its place.
fn check_imports(engine: &Engine, component: &Component, world: World) -> Result<(), LoadError> {
    let ty = component.component_type();
    let ungranted: Vec<_> = ty
        .imports(engine)
        .filter_map(|(name, _)| Some(format!("{name} ({})", refusal(name, world)?)))
        .collect();
    if ungranted.is_empty() { Ok(()) } else { Err(LoadError::Ungranted(ungranted.join("; "))) }
}

/// Why nothing provides this import; none if something does.
fn refusal(import: &str, world: World) -> Option<&'static str> {
    let (interface, version) = import.split_once('@').unwrap_or((import, ""));
    if MIDDLEWARE.contains(&interface) {
        return Some(
            "this is middleware: name it with `--middleware`, and serve what it is to stand in front of",
        );
    }
    let provided = PROVIDED.iter().any(|package| interface.starts_with(package));
    if !provided {
        Some("no setting grants it")
    } else if world.may_import(version) {
        None
    } else {
        Some(match world {
            World::P2 => {
                "only version 0.2 of it is provided to a handler that exports wasi:http/incoming-handler@0.2"
            }
            World::P3 => "only versions 0.2 and 0.3 of it are provided",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn provided_interfaces_are_granted_and_others_are_named() {
        for granted in ["wasi:cli/environment@0.2.0", "wasi:http/types@0.2.12", "wasi:io/poll@0.2.3"] {
            assert_eq!(refusal(granted, World::P2), None, "{granted}");
            assert_eq!(refusal(granted, World::P3), None, "{granted}");
        }
        for later in ["wasi:http/types@0.3.0", "wasi:clocks/monotonic-clock@0.3.2"] {
            assert!(refusal(later, World::P2).is_some(), "{later}");
            assert_eq!(refusal(later, World::P3), None, "{later}");
        }
        for refused in ["wasi:keyvalue/store@0.2.0", "wasi:clix/x@0.2.0", "wasi:http/types@0.3.0-rc-1", "log"]
        {
            assert!(refusal(refused, World::P3).is_some(), "{refused}");
        }
    }
}
