//! The real binary, started on a free port and stopped with the test.

use super::{Client, Holdings, eventually};
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

const BINARY: &str = env!("CARGO_BIN_EXE_wasm-host");

/// The top of the source tree.
pub fn workspace() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().expect("host/ is below the top").to_owned()
}

/// The component that `cargo xtask guests` built of this name.
#[track_caller]
pub fn guest(name: &str) -> String {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from);
    let path = target.join("guests").join(format!("{name}.wasm"));
    assert!(path.is_file(), "no guest {}: run `cargo xtask guests`", path.display());
    path.into_os_string().into_string().expect("target directory: UTF-8")
}

/// A component written as text in `tests/components`, as a file.
pub fn component(name: &str) -> String {
    let text = workspace().join("tests/components").join(format!("{name}.wat"));
    let bytes = wat::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", text.display()));
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let path = directory.join(format!("{name}-{}.wasm", std::process::id()));
    // Tests beside this one want the same file, and none of them is to see a part of it.
    let mut whole = tempfile::NamedTempFile::new_in(&directory).expect("temporary directory");
    whole.write_all(&bytes).expect("temporary directory");
    whole.persist(&path).expect("temporary directory");
    path.into_os_string().into_string().expect("target directory: UTF-8")
}

/// Runs the binary to its end, which must come by itself.
pub fn run(arguments: &[&str]) -> Output {
    command().args(arguments).stdin(Stdio::null()).output().expect("the binary starts")
}

/// The binary without arguments, in a directory and an environment that say nothing to it.
pub fn command() -> Command {
    let mut command = Command::new(BINARY);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("WASM_HOST_") {
            command.env_remove(name);
        }
    }
    // Nor does a proxy of whoever runs the tests stand between the host and its registries.
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        command.env_remove(name).env_remove(name.to_ascii_lowercase());
    }
    // No file of the tree the tests run in is picked up by accident.
    command.current_dir(env!("CARGO_TARGET_TMPDIR"));
    // Hosts that run side by side would all want the one usual address: `--admin` asks for another.
    command.env("WASM_HOST_ADMIN", "off");
    // What somebody has deployed on this machine is none of the tests' business.
    command.env("WASM_HOST_STATE", "off");
    // Nor are the registries that somebody has logged in to.
    command.env("DOCKER_CONFIG", "/nonexistent");
    command
}

/// The lines of a host's standard error so far.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    /// The lines that contain `text`.
    pub fn lines_with(&self, text: &str) -> Vec<String> {
        let lines = self.0.lock().expect("log");
        lines.iter().filter(|line| line.contains(text)).cloned().collect()
    }

    /// Waits for a line that contains every one of `texts`.
    #[track_caller]
    pub fn wait_for(&self, texts: &[&str]) -> String {
        let find = || {
            let lines = self.0.lock().expect("log");
            lines.iter().find(|line| texts.iter().all(|text| line.contains(text))).cloned()
        };
        eventually(&format!("a log line with {texts:?}"), || find().is_some());
        find().expect("just found")
    }
}

/// A running host.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// What its address is reached by: `http` or `https`.
    pub scheme: String,
    /// What it logs.
    pub log: Log,
    reader: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves `component` with more `arguments`.
    #[track_caller]
    pub fn start(component: &str, arguments: &[&str]) -> Self {
        Self::start_with(component, arguments, |_| {})
    }

    /// The same, with a last word on the command (environment, wrapper).
    #[track_caller]
    pub fn start_with(component: &str, arguments: &[&str], change: impl FnOnce(&mut Command)) -> Self {
        let mut command = command();
        command.args(["serve", component, "--listen", "127.0.0.1:0"]).args(arguments);
        change(&mut command);
        Self::spawn(&mut command)
    }

    /// Serves whatever `command`, a host, serves. Nothing is compiled anew behind the back of a test that counts what
    /// the host holds, unless it has a `--code-profile`; `WASM_HOST_TEST_CODE_PROFILE` is that of all others.
    #[track_caller]
    pub fn spawn(command: &mut Command) -> Self {
        let profile = std::env::var("WASM_HOST_TEST_CODE_PROFILE");
        command.env("WASM_HOST_CODE_PROFILE", profile.as_deref().unwrap_or("latency"));
        let mut child =
            command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the binary starts");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let mut early = Vec::new();
        let (scheme, address) = loop {
            match lines.next() {
                Some(Ok(line)) => {
                    if let Some((scheme, address)) =
                        line.strip_prefix("Serving HTTP on ").and_then(|url| url.split_once("://"))
                    {
                        assert!(early.is_empty(), "lines before the first: {early:?}");
                        let address = address.trim_end_matches('/').parse().expect("an address");
                        break (scheme.to_owned(), address);
                    }
                    early.push(line);
                }
                Some(Err(_)) | None => panic!("the host ended: {early:#?}, {:?}", child.wait()),
            }
        };
        let log = Log::default();
        let copy = log.clone();
        let reader = std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                copy.0.lock().expect("log").push(line);
            }
        });
        Self { child, address, scheme, log, reader: Some(reader) }
    }

    /// A client of this host.
    pub fn client(&self) -> Client {
        Client::new(self.address)
    }

    /// A client of this host's admin side, which `--admin 127.0.0.1:0` starts.
    #[track_caller]
    pub fn admin(&self) -> Client {
        let line = self.log.wait_for(&["Admin on http://"]);
        let address = line.trim_start_matches("Admin on http://").trim_end_matches('/');
        Client::new(address.parse().expect("an address"))
    }

    /// The process's number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What the process holds now.
    pub fn holdings(&self) -> Holdings {
        Holdings::of(self.child.id())
    }

    /// Live instances, streams among them, as `/ready` tells.
    pub fn live_instances(&self) -> u64 {
        let ready = self.client().get("/ready").json();
        let live = |what: &str| ready[what]["live"].as_u64().expect("a number of live instances");
        live("instances") + live("streams")
    }

    /// Waits until no instance is left.
    #[track_caller]
    pub fn wait_idle(&self) {
        eventually("no live instance", || self.live_instances() == 0);
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let killed = Command::new("kill").args(["-s", name, &self.pid().to_string()]).status();
        assert!(killed.expect("kill").success());
    }

    /// Waits for the process to end by itself.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        eventually("the host to end", || {
            status = self.child.try_wait().expect("wait");
            status.is_some()
        });
        if let Some(reader) = self.reader.take() {
            reader.join().expect("log reader");
        }
        status.expect("just ended")
    }

    /// Asks the host to stop and expects a clean end.
    #[track_caller]
    pub fn stop(mut self) {
        self.signal("TERM");
        assert_eq!(self.wait().code(), Some(0));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
