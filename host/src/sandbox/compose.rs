//! Middleware: components that import the handler interface they export, put in front of a handler. All
//! of them become one component, in memory and before anything is compiled, so that a request has one
//! instance with one set of limits, whatever it consists of.

use super::component::{LoadError, check_kind};
use super::shape::Shape;
use crate::telemetry::chain;
use std::panic::{AssertUnwindSafe, catch_unwind};
use wac_graph::types::{Package, are_semver_compatible};
use wac_graph::{CompositionGraph, EncodeOptions, NodeId, PackageId};

/// The most middleware in front of one handler: each takes memory for every request.
const MIDDLEWARE_MAX: usize = 16;

/// Bytes of all components together; what is composed is a little larger than its parts.
const COMPOSED_BYTES_MAX: usize = 512 * 1024 * 1024;

/// The interfaces that a handler may export, by their names up to the compatible version.
const HANDLERS: [&str; 2] = ["wasi:http/incoming-handler@0.2.", "wasi:http/handler@0.3."];

/// A component and what people call it.
#[derive(Clone, Debug)]
pub struct Part {
    /// What messages call it: its file.
    pub name: String,
    /// The component.
    pub bytes: Vec<u8>,
}

/// Why components cannot be put in front of each other: which one, what was found, and how to mend it.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each message says what its variant means")]
pub enum ComposeError {
    #[error("{part} cannot be composed")]
    Unusable {
        part: String,
        #[source]
        source: LoadError,
    },
    #[error("{part} cannot be composed: {what}")]
    Unread { part: String, what: String },
    #[error(
        "{part} is no middleware: it has to import and to export one wasi:http handler interface, \
         wasi:http/handler@0.3 or wasi:http/incoming-handler@0.2; it exports {exports} and imports {imports}"
    )]
    NotMiddleware { part: String, exports: String, imports: String },
    #[error(
        "{part} exports no wasi:http handler, so nothing can be put in front of it; it exports {exports}"
    )]
    NotHandler { part: String, exports: String },
    #[error(
        "{front} takes {wanted} behind it, and {behind} is {found}: build both for the same version of WASI"
    )]
    Versions { front: String, wanted: String, behind: String, found: String },
    #[error("{front} does not fit in front of {behind}: {what}")]
    Unfit { front: String, behind: String, what: String },
    #[error("{found} components stand in front of the handler, and at most {MIDDLEWARE_MAX} may")]
    TooMany { found: usize },
    #[error(
        "the handler and its middleware have {found} bytes together, and at most {COMPOSED_BYTES_MAX} may be composed"
    )]
    TooLarge { found: usize },
}

/// Puts `middleware` in front of `handler`, the first of them outermost, and returns the component that
/// all of them make. Without middleware it is the handler as it was.
///
/// # Errors
/// Where a part is not what it has to be, or one does not fit in front of the next.
pub fn compose(middleware: Vec<Part>, handler: Part) -> Result<Vec<u8>, ComposeError> {
    if middleware.is_empty() {
        return Ok(handler.bytes);
    }
    if middleware.len() > MIDDLEWARE_MAX {
        return Err(ComposeError::TooMany { found: middleware.len() });
    }
    let found = middleware.iter().fold(handler.bytes.len(), |sum, part| sum.saturating_add(part.bytes.len()));
    if found > COMPOSED_BYTES_MAX {
        return Err(ComposeError::TooLarge { found });
    }
    let mut composition = Composition { graph: CompositionGraph::new(), parts: 0 };
    let mut behind = composition.handler(handler)?;
    for front in middleware.into_iter().rev() {
        behind = composition.put_before(front, behind)?;
    }
    composition.finish(&behind)
}

/// A handler in the graph: a component of its own, or a middleware with everything behind it.
struct Placed {
    name: String,
    /// The interface it exports, and where.
    interface: String,
    export: NodeId,
}

struct Composition {
    graph: CompositionGraph,
    parts: usize,
}

impl Composition {
    fn handler(&mut self, handler: Part) -> Result<Placed, ComposeError> {
        let (name, package) = self.register(handler)?;
        let exports = self.exports(package);
        let Some(interface) = handler_in(&exports).map(str::to_owned) else {
            return Err(ComposeError::NotHandler { part: name, exports: list(&exports) });
        };
        let instance = self.graph.instantiate(package);
        self.place(name, interface, instance)
    }

    /// Gives `front` the handler `behind` for its import.
    fn put_before(&mut self, front: Part, behind: Placed) -> Result<Placed, ComposeError> {
        let (name, package) = self.register(front)?;
        let (exports, imports) = (self.exports(package), self.imports(package));
        let interface = handler_in(&exports).map(str::to_owned);
        let wanted = handler_in(&imports).map(str::to_owned);
        let (Some(interface), Some(wanted)) = (interface, wanted) else {
            let (exports, imports) = (list(&exports), list(&imports));
            return Err(ComposeError::NotMiddleware { part: name, exports, imports });
        };
        if !are_semver_compatible(&wanted, &behind.interface) {
            let (behind, found) = (behind.name, behind.interface);
            return Err(ComposeError::Versions { front: name, wanted, behind, found });
        }
        let instance = self.graph.instantiate(package);
        self.graph.set_instantiation_argument(instance, &wanted, behind.export).map_err(|error| {
            let (front, behind) = (name.clone(), behind.name);
            ComposeError::Unfit { front, behind, what: chain(&error) }
        })?;
        self.place(name, interface, instance)
    }

    /// Reads a component into the graph. The library may panic over what no compiler makes.
    fn register(&mut self, part: Part) -> Result<(String, PackageId), ComposeError> {
        let Part { name, bytes } = part;
        // The library reads it whole, and a stack that it overflows cannot be caught.
        check_kind(&bytes)
            .and_then(|()| Shape::read(&bytes))
            .map_err(|source| ComposeError::Unusable { part: name.clone(), source })?;
        // The graph knows packages by their names, and the same file may stand twice.
        self.parts += 1;
        let known_as = format!("wasm-host:part-{}", self.parts);
        let graph = &mut self.graph;
        let read = guarded(|| {
            let package = Package::from_bytes(&known_as, None, bytes, graph.types_mut());
            let package = package.map_err(|error| format!("{error:#}"))?;
            graph.register_package(package).map_err(|error| error.to_string())
        });
        read.map(|package| (name.clone(), package)).map_err(|what| ComposeError::Unread { part: name, what })
    }

    fn place(&mut self, name: String, interface: String, instance: NodeId) -> Result<Placed, ComposeError> {
        match self.graph.alias_instance_export(instance, &interface) {
            Ok(export) => Ok(Placed { name, interface, export }),
            Err(error) => Err(ComposeError::Unread { part: name, what: chain(&error) }),
        }
    }

    /// Exports the outermost handler, and nothing else: no other export would ever be called.
    fn finish(mut self, outermost: &Placed) -> Result<Vec<u8>, ComposeError> {
        let encoded = guarded(|| {
            let exported = self.graph.export(outermost.export, outermost.interface.as_str());
            exported.map_err(|error| chain(&error))?;
            self.graph.encode(EncodeOptions::default()).map_err(|error| chain(&error))
        });
        encoded.map_err(|what| ComposeError::Unfit {
            front: outermost.name.clone(),
            behind: "what is behind it".to_owned(),
            what,
        })
    }

    fn exports(&self, package: PackageId) -> Vec<String> {
        let (types, world) = (self.graph.types(), self.graph[package].ty());
        types[world].exports.keys().cloned().collect()
    }

    fn imports(&self, package: PackageId) -> Vec<String> {
        let (types, world) = (self.graph.types(), self.graph[package].ty());
        types[world].imports.keys().cloned().collect()
    }
}

/// The handler interface among these names.
fn handler_in(names: &[String]) -> Option<&str> {
    names.iter().map(String::as_str).find(|name| HANDLERS.iter().any(|handler| name.starts_with(handler)))
}

/// What `work` returns, with a panic of the library as one more failure.
fn guarded<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    // What a panic leaves behind is dropped with the composition.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err("the composer cannot read it".to_owned()))
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
#[path = "compose/tests.rs"]
mod tests;
