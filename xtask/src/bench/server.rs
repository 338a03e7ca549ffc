//! The servers that are measured, and how each is started. All run the same handler: `/spin` loops
//! forever, anything else is answered at once.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::machine::SERVER_CORE;
use super::peers::Software;
use crate::workspace::Workspace;

/// A server, with its settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Server {
    /// This project's
    WasmHost,
    /// `wasmtime serve` as it comes
    Wasmtime,
    /// `wasmtime serve` with a limit on time, which makes it yield
    WasmtimeTimeout,
    /// Cloudflare's runtime for JavaScript workers
    Workerd,
    /// Python's ASGI server, with one process
    Uvicorn,
    /// Python's ASGI server, with four processes
    #[value(name = "uvicorn-4")]
    Uvicorn4,
}

/// A program that is here.
#[derive(Debug, Clone)]
pub(super) struct Program {
    /// Where it is.
    pub(super) path: PathBuf,
    /// Its name and version, as it tells them.
    pub(super) version: String,
}

impl Server {
    /// All of them, in the order of the results.
    pub(super) const ALL: [Self; 6] =
        [Self::WasmHost, Self::Wasmtime, Self::WasmtimeTimeout, Self::Workerd, Self::Uvicorn, Self::Uvicorn4];

    /// What the results call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::WasmHost => "wasm-host",
            Self::Wasmtime => "wasmtime serve",
            Self::WasmtimeTimeout => "wasmtime serve -W timeout=30s",
            Self::Workerd => "workerd",
            Self::Uvicorn => "uvicorn, 1 worker",
            Self::Uvicorn4 => "uvicorn, 4 workers",
        }
    }

    /// The program that it is.
    pub(super) fn software(self) -> Software {
        match self {
            Self::WasmHost => Software::WasmHost,
            Self::Wasmtime | Self::WasmtimeTimeout => Software::Wasmtime,
            Self::Workerd => Software::Workerd,
            Self::Uvicorn | Self::Uvicorn4 => Software::Uvicorn,
        }
    }

    /// How `program` is started as this server, on a port that the system chooses.
    pub(super) fn command(self, program: &Path, workspace: &Workspace, one_core: bool) -> Command {
        let mut command = match one_core {
            false => Command::new(program),
            true => {
                let mut taskset = Command::new("taskset");
                taskset.args(["--cpu-list", SERVER_CORE]).arg(program);
                taskset
            }
        };
        let guest = workspace.components().join("mixed.wasm");
        match self {
            Self::WasmHost => command
                .arg("serve")
                .arg(guest)
                .args(["--listen", "127.0.0.1:0", "--instances", "2000"])
                // Longer than any measurement: what is measured is sharing, and not ending.
                .args(["--timeout", "120s", "--cpu-time", "120s"]),
            Self::Wasmtime => command.args(WASMTIME_SERVE).arg(guest),
            Self::WasmtimeTimeout => command.args(WASMTIME_SERVE).args(WASMTIME_TIMEOUT).arg(guest),
            Self::Workerd => workerd(&mut command, workspace, "config.capnp"),
            Self::Uvicorn => uvicorn(&mut command, workspace, "app:app", "1"),
            Self::Uvicorn4 => uvicorn(&mut command, workspace, "app:app", "4"),
        };
        command
    }
}

/// A guest in Rust imports `wasi:cli`, which is not in the world that is served by default.
pub(super) const WASMTIME_SERVE: [&str; 4] = ["serve", "--addr=127.0.0.1:0", "-S", "cli"];

/// What has it end guests that take too long. Without it nothing interrupts them.
pub(super) const WASMTIME_TIMEOUT: [&str; 2] = ["-W", "timeout=30s"];

/// Has workerd serve what one of its configurations describes.
pub(super) fn workerd<'a>(
    workerd: &'a mut Command,
    workspace: &Workspace,
    configuration: &str,
) -> &'a mut Command {
    workerd
        .arg("serve")
        .arg(sources(workspace, "workerd").join(configuration))
        // Where it tells its port.
        .arg("--control-fd=2")
}

/// Has uvicorn serve one of its apps, with so many processes.
pub(super) fn uvicorn<'a>(
    python: &'a mut Command,
    workspace: &Workspace,
    app: &str,
    workers: &str,
) -> &'a mut Command {
    python
        .args(["-m", "uvicorn", app, "--app-dir"])
        .arg(sources(workspace, "uvicorn"))
        .args(["--host", "127.0.0.1", "--port", "0", "--no-access-log", "--lifespan", "off"])
        .args(["--workers", workers])
        // Python would leave its cache beside the sources.
        .env("PYTHONDONTWRITEBYTECODE", "1")
}

/// Where what a peer runs is kept.
pub(super) fn sources(workspace: &Workspace, peer: &str) -> PathBuf {
    workspace.root().join("bench/peers").join(peer)
}
