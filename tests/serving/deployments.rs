//! Deployments over real sockets: handlers that come, change and go while the host serves, and are there again
//! after it ended, however it did.

#[path = "deployments/canaries.rs"]
mod canaries;
#[path = "deployments/changes.rs"]
mod changes;
#[path = "deployments/commands.rs"]
mod commands;
#[path = "deployments/concurrency.rs"]
mod concurrency;
#[path = "deployments/crash.rs"]
mod crash;
#[path = "deployments/document.rs"]
mod document;
#[path = "deployments/many.rs"]
mod many;
#[path = "deployments/refusals.rs"]
mod refusals;
#[path = "deployments/swaps.rs"]
mod swaps;

use crate::harness::{Answer, Client, Server, command, guest};
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// A host with a store of its own.
pub(crate) struct Site {
    pub(crate) state: TempDir,
    pub(crate) server: Server,
    pub(crate) admin: Client,
}

impl Site {
    /// A host that serves nothing but the welcome page yet.
    #[track_caller]
    pub(crate) fn new(settings: &[&str]) -> Self {
        Self::new_with(settings, |_| {})
    }

    /// The same, with a last word on the command.
    #[track_caller]
    pub(crate) fn new_with(settings: &[&str], change: impl FnOnce(&mut Command)) -> Self {
        let state = private();
        let server = serve_with(state.path(), settings, change);
        let admin = server.admin();
        Self { state, server, admin }
    }

    /// The same store, served by another process.
    #[track_caller]
    pub(crate) fn restart(self, settings: &[&str]) -> Self {
        let Self { state, server, .. } = self;
        server.stop();
        let server = serve(state.path(), settings);
        let admin = server.admin();
        Self { state, server, admin }
    }

    /// Asks the admin side for a change.
    pub(crate) fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        ask(&self.admin, method, path, headers, body)
    }

    /// Deploys a component with these settings.
    pub(crate) fn deploy(&self, name: &str, component: &str, settings: &str) -> Answer {
        deploy(&self.admin, name, component, settings, &[])
    }

    /// Posts a change that takes a document, or none.
    pub(crate) fn post(&self, name: &str, action: &str, document: &str) -> Answer {
        let json = [("content-type", "application/json")];
        self.ask("POST", &format!("/admin/handlers/{name}/{action}"), &json, document.as_bytes())
    }

    /// What the admin side says of a handler.
    #[track_caller]
    pub(crate) fn show(&self, name: &str) -> Value {
        self.admin.get(&format!("/admin/handlers/{name}")).assert_ok().json()
    }

    /// The text that a handler answers with.
    #[track_caller]
    pub(crate) fn text(&self, path: &str) -> String {
        self.server.client().get(path).assert_ok().text()
    }
}

/// A directory that is the store's alone.
pub(crate) fn private() -> TempDir {
    tempfile::Builder::new()
        .prefix("deployments")
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
        .expect("a directory")
}

/// Serves what is kept in `state`, and the welcome page.
#[track_caller]
pub(crate) fn serve(state: &Path, settings: &[&str]) -> Server {
    serve_with(state, settings, |_| {})
}

#[track_caller]
fn serve_with(state: &Path, settings: &[&str], change: impl FnOnce(&mut Command)) -> Server {
    let mut host = command();
    host.current_dir(state).env("WASM_HOST_STATE", state.join("state"));
    host.args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]).args(settings);
    change(&mut host);
    Server::spawn(&mut host)
}

pub(crate) fn ask(admin: &Client, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    admin.send(method, path, headers, Some(body)).unwrap_or_else(|error| panic!("{method} {path}: {error}"))
}

/// Deploys a component with these settings and more header fields.
pub(crate) fn deploy(
    admin: &Client,
    name: &str,
    component: &str,
    settings: &str,
    headers: &[(&str, &str)],
) -> Answer {
    let bytes = std::fs::read(component).expect("a component");
    let mut all = vec![("content-type", "application/wasm")];
    all.extend(headers);
    ask(admin, "PUT", &format!("/admin/handlers/{name}?settings={}", escaped(settings)), &all, &bytes)
}

/// As it may stand in a query.
pub(crate) fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

/// The settings of a version of `env` that says which one it is.
pub(crate) fn marked(version: impl std::fmt::Display) -> String {
    format!(r#"{{"env":{{"VERSION":"{version}"}}}}"#)
}

/// The component that says its environment.
pub(crate) fn env() -> String {
    guest("env")
}
