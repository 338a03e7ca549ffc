//! wasm-host: one binary that runs other people's WebAssembly request handlers and cannot be
//! stalled by any of them. ARCHITECTURE.md says where what is.

use std::process::ExitCode;

/// What one thread frees of another's is handed back without a lock, also where the kernel has stopped
/// that other one in the middle: threads of low classes are stopped anywhere.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Fail points are read from `FAILPOINTS` and set for as long as this lives.
    #[cfg(feature = "failpoints")]
    let _faults = fail::FailScenario::setup();
    wasm_host::cli::main()
}
