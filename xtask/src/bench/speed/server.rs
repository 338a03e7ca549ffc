//! The servers that are compared, and how each is started. Names are as they stand in the results and
//! after `--only`.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::scenario::Scenario;
use crate::bench::peers::Software;
use crate::bench::server::{WASMTIME_SERVE, WASMTIME_TIMEOUT, uvicorn, workerd};
use crate::bench::setup::Setup;

/// How long a server is asked before anything counts.
const WARM_UP_TIME: Duration = Duration::from_secs(2);
/// How often an instance is used where it is used again.
const REUSE_COUNT: &str = "1000";
/// What makes `wasmtime serve` fastest where every request has a fresh instance: the pooling allocator,
/// which is its default where there is the address space, with memory that is wiped and kept in place of
/// memory that is given back and faulted in again, and with room for as many instances of a component of many
/// modules as may be asked for at once. Each request then costs no system call that it could do without.
const WASMTIME_TUNED: [&str; 14] = [
    "-O",
    "pooling-allocator=y",
    "-O",
    "pooling-memory-keep-resident=4194304",
    "-O",
    "pooling-table-keep-resident=1048576",
    "-O",
    "pooling-async-stack-keep-resident=1048576",
    "-O",
    "pooling-pagemap-scan=auto",
    "-O",
    "pooling-total-core-instances=20000",
    "-O",
    "pooling-total-tables=20000",
];
/// What has `wasmtime serve` make an instance for every request.
const WASMTIME_FRESH: [&str; 2] = ["--max-instance-reuse-count", "1"];
/// How many requests `memory-waiting` lets run at a time.
pub(super) const RUNNING_MAX: usize = 8;
const RUNNING_MAX_ARG: &str = "8";

/// A server, with its settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Server {
    /// This project's, as it comes: a fresh instance for every request
    WasmHost,
    /// This project's, with instances that serve a thousand requests one after the other
    WasmHostReuse,
    /// `wasmtime serve` as it comes
    Wasmtime,
    /// `wasmtime serve` with a time limit, so with guests that can be interrupted, as wasm-host's always can
    WasmtimeTimeout,
    /// `wasmtime serve` with a fresh instance for every request, where it does not come so
    WasmtimeFresh,
    /// `wasmtime serve` with fresh instances and the settings that make them cheapest
    WasmtimeTuned,
    /// `wasmtime serve` with instances that serve a thousand requests one after the other
    WasmtimeReuse,
    /// Cloudflare's runtime for JavaScript workers
    Workerd,
    /// FastAPI on uvicorn, with one process
    Fastapi,
    /// FastAPI on uvicorn, with four processes
    #[value(name = "fastapi-4")]
    Fastapi4,
    /// A server of our own that does nothing but HTTP
    BareHyper,
}

impl Server {
    /// All of them, in the order of the results.
    pub(super) const ALL: [Self; 11] = [
        Self::WasmHost,
        Self::WasmHostReuse,
        Self::Wasmtime,
        Self::WasmtimeTimeout,
        Self::WasmtimeFresh,
        Self::WasmtimeTuned,
        Self::WasmtimeReuse,
        Self::Workerd,
        Self::Fastapi,
        Self::Fastapi4,
        Self::BareHyper,
    ];

    /// What the results call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::WasmHost => "wasm-host",
            Self::WasmHostReuse => "wasm-host, reuse 1000",
            Self::Wasmtime => "wasmtime serve",
            Self::WasmtimeTimeout => "wasmtime serve, timeout 30s",
            Self::WasmtimeFresh => "wasmtime serve, fresh",
            Self::WasmtimeTuned => "wasmtime serve, best flags",
            Self::WasmtimeReuse => "wasmtime serve, reuse 1000",
            Self::Workerd => "workerd",
            Self::Fastapi => "FastAPI, 1 worker",
            Self::Fastapi4 => "FastAPI, 4 workers",
            Self::BareHyper => "bare hyper",
        }
    }

    /// Whether it is this project's.
    pub(super) fn is_ours(self) -> bool {
        self.software() == Software::WasmHost
    }

    /// The program that it is.
    pub(super) fn software(self) -> Software {
        match self {
            Self::WasmHost | Self::WasmHostReuse => Software::WasmHost,
            Self::Wasmtime
            | Self::WasmtimeTimeout
            | Self::WasmtimeFresh
            | Self::WasmtimeTuned
            | Self::WasmtimeReuse => Software::Wasmtime,
            Self::Workerd => Software::Workerd,
            Self::Fastapi | Self::Fastapi4 => Software::Uvicorn,
            Self::BareHyper => Software::BareHyper,
        }
    }

    /// How long it is asked before anything counts: code is compiled, pools fill, handlers turn out to compute, and
    /// the last worker is up, each of which brings up a Python of its own.
    pub(super) fn warm_up_time(self) -> Duration {
        match self {
            Self::Fastapi4 => 4 * WARM_UP_TIME,
            Self::WasmHost
            | Self::WasmHostReuse
            | Self::Wasmtime
            | Self::WasmtimeTimeout
            | Self::WasmtimeFresh
            | Self::WasmtimeTuned
            | Self::WasmtimeReuse
            | Self::Workerd
            | Self::Fastapi
            | Self::BareHyper => WARM_UP_TIME,
        }
    }

    /// How `program` is started as this server for a scenario, on a port that the system chooses.
    pub(super) fn command(self, program: &Path, setup: &Setup, scenario: Scenario) -> Command {
        let mut command = Command::new(program);
        match self.software() {
            Software::WasmHost => {
                // Away from what this user has deployed, and from the port of a host that is looked after.
                command.args(["serve", "--listen", "127.0.0.1:0", "--state", "off", "--admin", "off"]);
                command.args(self.settings(scenario)).arg(setup.component(scenario.guest()));
            }
            Software::Wasmtime => {
                command.args(WASMTIME_SERVE).args(self.settings(scenario));
                command.arg(setup.component(scenario.guest()));
            }
            Software::Workerd => {
                workerd(&mut command, &setup.workspace, "hello.capnp");
            }
            Software::Uvicorn => {
                let workers = if self == Self::Fastapi4 { "4" } else { "1" };
                uvicorn(&mut command, &setup.workspace, "hello:app", workers);
            }
            Software::BareHyper => {}
        }
        command
    }

    /// What else it is told to compile all that it would come to compile.
    pub(super) fn settings_to_prepare(self) -> &'static [&'static str] {
        match self.software() {
            Software::WasmHost => &["--code-profile", "compute"],
            Software::Wasmtime | Software::Workerd | Software::Uvicorn | Software::BareHyper => &[],
        }
    }

    /// What a server that has guests is told besides which one.
    fn settings(self, scenario: Scenario) -> Vec<&'static str> {
        let only_few = scenario == Scenario::MemoryWaiting;
        match self {
            Self::WasmHost if only_few => vec!["--instances", RUNNING_MAX_ARG, "--queue-timeout", "60s"],
            Self::Wasmtime if only_few => vec!["--max-concurrent-requests", RUNNING_MAX_ARG],
            Self::WasmHostReuse => vec!["--reuse", REUSE_COUNT],
            Self::WasmtimeTimeout => WASMTIME_TIMEOUT.to_vec(),
            Self::WasmtimeFresh => WASMTIME_FRESH.to_vec(),
            Self::WasmtimeTuned => [&WASMTIME_FRESH[..], &WASMTIME_TUNED].concat(),
            // One request at a time in an instance, as in wasm-host: its default for WASI 0.3 is sixteen.
            Self::WasmtimeReuse => {
                let count = ["--max-instance-reuse-count", REUSE_COUNT];
                [count, ["--max-instance-concurrent-reuse-count", "1"]].concat()
            }
            Self::WasmHost
            | Self::Wasmtime
            | Self::Workerd
            | Self::Fastapi
            | Self::Fastapi4
            | Self::BareHyper => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_run_as_are_said_to() {
        assert_eq!(RUNNING_MAX_ARG, RUNNING_MAX.to_string());
        let settings = Server::WasmHost.settings(Scenario::MemoryWaiting);
        assert_eq!(settings[..2], ["--instances", "8"]);
        assert!(Server::WasmHost.settings(Scenario::MemoryInstance).is_empty());
    }
}
