//! Every way a change can be refused: the reason that programs read, its status, and what a person is told.

use super::deployment::ChangeError;
use super::store::StoreError;
use crate::config::HandlerName;
use crate::handlers::{Overlap, Unloaded};
use crate::sandbox::{ComposeError, LoadError};
use crate::signature::SignatureError;
use crate::telemetry::chain;
use http::StatusCode;
use std::error::Error;

/// A change that is not made. Everything is as it was before.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{detail}")]
pub struct Refusal {
    /// Why, for programs.
    pub reason: RefusalReason,
    /// Why, for people.
    pub detail: String,
}

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident = $label:literal, $status:ident, $title:literal;)*) => {
        /// Why a change is refused. Labels are stable.
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        pub enum RefusalReason {
            $($(#[$doc])* $name,)*
        }

        impl RefusalReason {
            /// Every reason, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The stable label, in snake case.
            pub const fn label(self) -> &'static str {
                match self { $(Self::$name => $label,)* }
            }

            /// The status of the answer.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)* }
            }

            /// One sentence that says what the label means.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }
        }
    };
}

refusals! {
    /// It is no name of a handler.
    BadName = "bad_name", BAD_REQUEST, "This is no name of a handler.";
    /// The question, or the document that came with it, is not in order.
    BadChange = "bad_change", BAD_REQUEST, "The change is not written as it has to be.";
    /// What was sent is of no type that is taken here.
    UnsupportedMedia = "unsupported_media", UNSUPPORTED_MEDIA_TYPE, "This type of content is not taken here.";
    /// The component did not arrive within `--upload-timeout`.
    UploadTimeout = "upload_timeout", REQUEST_TIMEOUT, "The component did not arrive in time.";
    /// It is larger than `--max-component`.
    ComponentTooLarge = "component_too_large", PAYLOAD_TOO_LARGE, "The component is larger than the server allows.";
    /// Nothing of this name is served.
    NoSuchHandler = "no_such_handler", NOT_FOUND, "There is no handler of this name.";
    /// The handler has no such version.
    NoSuchVersion = "no_such_version", NOT_FOUND, "The handler has no such version.";
    /// Somebody else has changed it meanwhile.
    Conflict = "conflict", CONFLICT, "The handler is not what it was when the change was asked for.";
    /// The settings file, a directory or the command line defines it.
    Configured = "configured", CONFLICT, "The handler is defined by the server's settings, which change it.";
    /// Another handler has one of its routes.
    RouteConflict = "route_conflict", CONFLICT, "Another handler is served at one of these routes.";
    /// A canary is running.
    CanaryRunning = "canary_running", CONFLICT, "A canary is running.";
    /// None is.
    NoCanary = "no_canary", CONFLICT, "No canary is running.";
    /// There is nothing to go back to.
    NoPrevious = "no_previous", CONFLICT, "There is no version to go back to.";
    /// What is to be tried answers already.
    AlreadyActive = "already_active", CONFLICT, "This version is the one that answers already.";
    /// `--state off`, or a directory that cannot be used.
    DeploymentsOff = "deployments_off", CONFLICT, "This server keeps no deployments.";
    /// A setting of the handler is unknown, refused, or beyond the host's.
    BadSettings = "bad_settings", UNPROCESSABLE_ENTITY, "The handler's settings cannot be used.";
    /// No key that is trusted has signed the component.
    BadSignature = "bad_signature", UNPROCESSABLE_ENTITY, "The component is not signed as this server asks for.";
    /// It is no component, or a damaged one.
    InvalidWasm = "invalid_wasm", UNPROCESSABLE_ENTITY, "This is not a WebAssembly component.";
    /// It is compiled code.
    Precompiled = "precompiled", UNPROCESSABLE_ENTITY, "This is compiled code, which is never loaded.";
    /// It needs more than there is for one instance.
    NeedsTooMuch = "needs_too_much", UNPROCESSABLE_ENTITY, "The component needs more than it may have.";
    /// It is beyond what is compiled.
    TooComplex = "too_complex", UNPROCESSABLE_ENTITY, "The component has more parts than the server compiles.";
    /// Compiling it takes more than it may.
    CompileLimit = "compile_limit", UNPROCESSABLE_ENTITY, "Compiling the component takes more than it may.";
    /// It does not compile.
    CompileFailed = "compile_failed", UNPROCESSABLE_ENTITY, "The component does not compile.";
    /// It uses what is off here.
    Unsupported = "unsupported", UNPROCESSABLE_ENTITY, "The component uses a proposal that is off here.";
    /// It exports no handler.
    NoHandler = "no_handler", UNPROCESSABLE_ENTITY, "The component exports no handler.";
    /// It imports what there is not.
    NotGranted = "not_granted", UNPROCESSABLE_ENTITY, "The component imports what this server does not provide.";
    /// It says otherwise of an interface.
    NotLinkable = "not_linkable", UNPROCESSABLE_ENTITY, "The component does not fit the interfaces of this server.";
    /// It does not go together with the middleware in front of it.
    MiddlewareUnfit = "middleware_unfit", UNPROCESSABLE_ENTITY, "The middleware and the component do not fit.";
    /// It was started for a trial, and that failed.
    TrialFailed = "trial_failed", UNPROCESSABLE_ENTITY, "The handler failed when it was tried.";
    /// It could not be fetched from where it is said to be.
    FetchFailed = "oci_failed", BAD_GATEWAY, "The component could not be fetched.";
    /// As many changes wait as may.
    Busy = "changes_full", SERVICE_UNAVAILABLE, "As many changes are under way as the server takes.";
    /// The disk is full.
    NoSpace = "no_space", INSUFFICIENT_STORAGE, "The server has no space left to keep the component.";
    /// The disk fails, or what is on it is damaged.
    StoreFailed = "store_failed", INTERNAL_SERVER_ERROR, "The server cannot keep or read its deployments.";
    /// Something of the host's own failed.
    HostFailed = "host_failed", INTERNAL_SERVER_ERROR, "The server failed to make the change.";
}

impl Refusal {
    /// A refusal with its reason in words.
    pub fn new(reason: RefusalReason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }

    /// A refusal of which there is no more to say than its reason does.
    pub fn plain(reason: RefusalReason) -> Self {
        Self::new(reason, reason.title())
    }

    /// The driver's thread is gone, or about to go.
    pub(super) fn gone() -> Self {
        Self::new(RefusalReason::HostFailed, "the host is about to stop")
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        let reason = match &error {
            StoreError::NoSpace { .. } => RefusalReason::NoSpace,
            StoreError::Unsynced { .. }
            | StoreError::Io { .. }
            | StoreError::Damaged { .. }
            | StoreError::InUse { .. }
            | StoreError::NotPrivate { .. } => RefusalReason::StoreFailed,
        };
        Self::new(reason, chain(&error))
    }
}

impl From<ChangeError> for Refusal {
    fn from(error: ChangeError) -> Self {
        let reason = match &error {
            ChangeError::NoHandler => RefusalReason::NoSuchHandler,
            ChangeError::NoVersion(_) => RefusalReason::NoSuchVersion,
            ChangeError::NoPrevious => RefusalReason::NoPrevious,
            ChangeError::NoCanary => RefusalReason::NoCanary,
            ChangeError::CanaryRunning => RefusalReason::CanaryRunning,
            ChangeError::AlreadyActive => RefusalReason::AlreadyActive,
            ChangeError::PauseReason => RefusalReason::BadChange,
        };
        Self::new(reason, error.to_string())
    }
}

impl From<Overlap> for Refusal {
    fn from(overlap: Overlap) -> Self {
        let reason = match &overlap {
            Overlap::Name(_) => RefusalReason::Configured,
            Overlap::Route { .. } => RefusalReason::RouteConflict,
        };
        Self::new(reason, overlap.to_string())
    }
}

impl From<Unloaded> for Refusal {
    fn from(unloaded: Unloaded) -> Self {
        let source: &(dyn Error + 'static) = unloaded.source.as_ref();
        let reason = if let Some(error) = source.downcast_ref::<LoadError>() {
            of_load(error)
        } else if source.is::<SignatureError>() {
            RefusalReason::BadSignature
        } else if source.is::<ComposeError>() {
            RefusalReason::MiddlewareUnfit
        } else if source.is::<StoreError>() {
            RefusalReason::StoreFailed
        } else {
            RefusalReason::HostFailed
        };
        Self::new(reason, chain(source))
    }
}

fn of_load(error: &LoadError) -> RefusalReason {
    match error {
        LoadError::Empty
        | LoadError::CoreModule
        | LoadError::WasmText
        | LoadError::Text
        | LoadError::Unknown(_)
        | LoadError::Broken { .. }
        | LoadError::Invalid(_) => RefusalReason::InvalidWasm,
        LoadError::Unsupported(_) => RefusalReason::Unsupported,
        LoadError::TooComplex(_) => RefusalReason::TooComplex,
        LoadError::Precompiled => RefusalReason::Precompiled,
        LoadError::TooLarge => RefusalReason::ComponentTooLarge,
        LoadError::NeedsTooMuch(_)
        | LoadError::MemoryMinimum { .. }
        | LoadError::Room { .. }
        | LoadError::Engines(_)
        | LoadError::NoGuards
        | LoadError::Unfit(_) => RefusalReason::NeedsTooMuch,
        LoadError::CompileLimit(_) => RefusalReason::CompileLimit,
        LoadError::CompileFailed(_) => RefusalReason::CompileFailed,
        LoadError::NoHandler { .. } => RefusalReason::NoHandler,
        LoadError::Ungranted(_) => RefusalReason::NotGranted,
        LoadError::Link(_) => RefusalReason::NotLinkable,
        LoadError::Unreadable(_) | LoadError::NotKept | LoadError::Engine(_) | LoadError::NoCompiler(_) => {
            RefusalReason::HostFailed
        }
    }
}

/// That there is no such handler.
pub(super) fn no_handler(name: &HandlerName) -> Refusal {
    Refusal::new(RefusalReason::NoSuchHandler, format!("there is no handler `{name}`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_reason_has_a_label_of_its_own_and_is_a_failure() {
        let labels: BTreeSet<_> = RefusalReason::ALL.iter().map(|reason| reason.label()).collect();
        assert_eq!(labels.len(), RefusalReason::ALL.len());
        for reason in RefusalReason::ALL {
            assert!(reason.status().is_client_error() || reason.status().is_server_error(), "{reason:?}");
            assert!(reason.title().ends_with('.'), "{reason:?}");
        }
    }
}
