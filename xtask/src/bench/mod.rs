//! `cargo xtask bench`: wasm-host against its peers and against what it promises, on one machine.
//!
//! Servers are started one at a time and put under a load of our own making, over loopback; what was
//! found is a table, a chart and the figures behind them.

mod chart;
mod exchange;
mod instances;
mod liveness;
mod load;
mod machine;
mod memory;
pub(crate) mod micro;
mod middleware;
mod overload;
mod peers;
mod probe;
mod process;
mod record;
mod response;
mod runaways;
mod scheduler;
mod server;
mod setup;
mod speed;
mod statistics;
mod table;

use anyhow::Result;

/// What can be measured.
#[derive(clap::Subcommand)]
pub(crate) enum Bench {
    /// What requests that never end cost all others, on wasm-host and on its peers
    Liveness(liveness::Args),
    /// How fast wasm-host is, beside its peers and beside what the machine can do
    Speed(speed::Args),
    /// What wasm-host's scheduler promises to equal, heavy and runaway requests
    Scheduler(scheduler::Args),
    /// What the parts of a request cost, in time and in instructions
    Micro(micro::Args),
    /// What an instance costs in memory, in Rust, JavaScript and Python
    Memory(memory::Args),
    /// What instances that are made ahead or used again are worth
    Instances(setup::Turns),
    /// What a layer of middleware costs a request
    Middleware(setup::Turns),
    /// What the front door promises to crowds: too much work, many streams, slow clients, new certificates
    Overload(overload::Args),
}

/// Runs a benchmark.
///
/// # Errors
///
/// Where wasm-host cannot be built or started, or the results cannot be written. A peer that cannot be
/// had is not an error but a line of the results.
pub(crate) fn run(bench: &Bench) -> Result<()> {
    match bench {
        Bench::Liveness(args) => liveness::run(args),
        Bench::Speed(args) => speed::run(args),
        Bench::Scheduler(args) => scheduler::run(args),
        Bench::Micro(args) => micro::run(args),
        Bench::Memory(args) => memory::run(args),
        Bench::Instances(args) => instances::run(args),
        Bench::Middleware(args) => middleware::run(args),
        Bench::Overload(args) => overload::run(args),
    }
}
