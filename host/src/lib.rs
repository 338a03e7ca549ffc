//! wasm-host as a library: what the binary is made of, for its tests, fuzzers and benchmarks. The
//! modules and the directions between them are described in ARCHITECTURE.md; none of it is a
//! stable interface.

pub mod admission;
pub mod capabilities;
pub mod cli;
pub mod config;
pub mod deploy;
pub mod digest;
pub mod executor;
pub mod handlers;
pub mod memory;
pub mod net;
pub mod outcome;
pub mod registry;
pub mod routing;
pub mod sandbox;
pub mod signature;
mod stack;
pub mod telemetry;
