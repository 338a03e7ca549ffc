//! The two interfaces by which a request can be given to a component, and how each is recognised.

use wasmtime_wasi_http::p2::bindings::ProxyPre;
use wasmtime_wasi_http::p3::bindings::ServicePre;

use super::state::HostState;

/// By which version of WASI a component is called. A component that exports both is called by the
/// later one.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum World {
    /// `wasi:http/proxy@0.2`: the call gets an outparam to set the response in.
    P2,
    /// `wasi:http/service@0.3`: the call is a task, which returns the response and may go on.
    P3,
}

impl World {
    /// The world that a component is in which exports `name`, if it is that of a handler.
    pub(super) fn exported_as(name: &str) -> Option<Self> {
        let (interface, version) = name.split_once('@')?;
        // What came before a standard is like none of its versions.
        if version.contains('-') {
            return None;
        }
        match interface {
            "wasi:http/incoming-handler" if version.starts_with("0.2.") => Some(Self::P2),
            "wasi:http/handler" if version.starts_with("0.3.") => Some(Self::P3),
            _ => None,
        }
    }

    /// Whether its calls are tasks that run beside others in their store. A tenth of the time of a
    /// hello goes into being able to, which only who needs it should pay.
    pub(super) fn runs_tasks(self) -> bool {
        match self {
            Self::P2 => false,
            Self::P3 => true,
        }
    }

    /// Whether a component of this world may import version `version` of what WASI provides. What is
    /// imported at 0.3 is called as tasks are; the standard libraries of guests of 0.3 still import 0.2.
    pub(super) fn may_import(self, version: &str) -> bool {
        let p2 = version.starts_with("0.2.");
        match self {
            Self::P2 => p2,
            Self::P3 => p2 || (version.starts_with("0.3.") && !version.contains('-')),
        }
    }
}

/// A linked component, ready to be instantiated.
pub(super) enum Linked {
    /// See [`World::P2`].
    P2(ProxyPre<HostState>),
    /// See [`World::P3`].
    P3(ServicePre<HostState>),
}

impl Linked {
    /// The engine it was compiled by.
    pub(super) fn engine(&self) -> &wasmtime::Engine {
        match self {
            Self::P2(pre) => pre.engine(),
            Self::P3(pre) => pre.engine(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handlers_are_recognised_at_every_version_of_their_standard() {
        for (name, world) in [
            ("wasi:http/incoming-handler@0.2.0", Some(World::P2)),
            ("wasi:http/incoming-handler@0.2.12", Some(World::P2)),
            ("wasi:http/handler@0.3.0", Some(World::P3)),
            ("wasi:http/handler@0.3.2", Some(World::P3)),
            ("wasi:http/handler@0.3.0-rc-2026-03-15", None),
            ("wasi:http/incoming-handler@0.20.0", None),
            ("wasi:http/handler@0.2.0", None),
            ("wasi:http/handler", None),
            ("wasi:cli/run@0.3.0", None),
        ] {
            assert_eq!(World::exported_as(name), world, "{name}");
        }
        assert!(World::P2 < World::P3, "the later one is preferred");
    }
}
