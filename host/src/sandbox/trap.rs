//! From what wasmtime reports to the reason a client and an operator are told.

use crate::outcome::Reason;
use wasmtime::component::ResourceTableError;
use wasmtime::{PoolConcurrencyLimitError, Trap};
use wasmtime_wasi::I32Exit;
use wasmtime_wasi_http::FieldMapError;

/// wasmtime's host-call budget fails with a type of its own crate that nobody outside can name.
const HOSTCALL_FUEL_MESSAGE: &str = "fuel allocated for hostcalls has been exhausted";
/// So does the bound on handles that wasmtime itself counts.
const HANDLES_MESSAGE: &str = "handle limit exceeded";

/// Where a guest was when it failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stage {
    /// While it was instantiated.
    Instantiate,
    /// While it handled the request.
    Handle,
}

/// Why a guest failed with `error`. `memory_refused` says that it was denied memory before.
pub(super) fn classify(error: &wasmtime::Error, stage: Stage, memory_refused: bool) -> Reason {
    if error.is::<I32Exit>() {
        return Reason::GuestExit;
    }
    if error.is::<PoolConcurrencyLimitError>() {
        return Reason::PoolExhausted;
    }
    if let Some(ResourceTableError::Full) = error.downcast_ref() {
        return Reason::HandleLimit;
    }
    if let Some(FieldMapError::TooManyFields | FieldMapError::TotalSizeTooBig) = error.downcast_ref() {
        return Reason::FieldsLimit;
    }
    let trap = error.downcast_ref::<Trap>().copied();
    if trap == Some(Trap::OutOfFuel) {
        return Reason::FuelExhausted;
    }
    if memory_refused {
        return Reason::MemoryLimit;
    }
    let says = |message| error.chain().any(|cause| cause.to_string().contains(message));
    if says(HOSTCALL_FUEL_MESSAGE) {
        return Reason::HostcallLimit;
    }
    if says(HANDLES_MESSAGE) {
        return Reason::HandleLimit;
    }
    match stage {
        // A start function that traps is the guest's doing, all else the host's.
        Stage::Instantiate if trap.is_none() => Reason::InstantiationFailed,
        Stage::Instantiate | Stage::Handle => Reason::GuestTrap,
    }
}

/// The error and its causes on one line, the guest's own backtrace among them, for the log alone.
/// Never with `{:?}`: that adds the host's backtrace, which takes milliseconds to put into words.
pub(super) fn describe(error: &wasmtime::Error) -> String {
    let text = error.chain().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" | ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_has_its_reason() {
        let cases = [
            (wasmtime::Error::from(I32Exit(3)), false, Reason::GuestExit),
            (Trap::UnreachableCodeReached.into(), false, Reason::GuestTrap),
            (Trap::UnreachableCodeReached.into(), true, Reason::MemoryLimit),
            (Trap::OutOfFuel.into(), true, Reason::FuelExhausted),
            (Trap::StackOverflow.into(), false, Reason::GuestTrap),
            (ResourceTableError::Full.into(), false, Reason::HandleLimit),
            (FieldMapError::TotalSizeTooBig.into(), false, Reason::FieldsLimit),
            (wasmtime::format_err!("x {HOSTCALL_FUEL_MESSAGE} y"), false, Reason::HostcallLimit),
        ];
        for (error, memory_refused, reason) in cases {
            let error = error.context("while handling");
            assert_eq!(classify(&error, Stage::Handle, memory_refused), reason, "{error:?}");
        }
        let odd = wasmtime::format_err!("odd");
        assert_eq!(classify(&odd, Stage::Instantiate, false), Reason::InstantiationFailed);
        assert_eq!(classify(&Trap::Interrupt.into(), Stage::Instantiate, false), Reason::GuestTrap);
    }
}
