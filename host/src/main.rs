//! wasm-host: one binary that runs other people's WebAssembly request handlers and cannot be
//! stalled by any of them. ARCHITECTURE.md says where what is.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Fail points are read from `FAILPOINTS` and set for as long as this lives.
    #[cfg(feature = "failpoints")]
    let _faults = fail::FailScenario::setup();
    wasm_host::cli::main()
}
