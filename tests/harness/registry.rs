//! Registries of components: a real one, started on a free port, and one that says whatever a test has it say.

use super::{SOON, workspace};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;
use tempfile::TempDir;

const PROGRAM: &str = "docker-registry";
/// `tester` and `correct-horse`, as htpasswd(1) writes them with bcrypt.
const PASSWORDS: &str = "tester:$2y$04$uR/U.ThmPHnn1pTtz799F.bKPDRSsel.fH9mFviqX1w.//tQYeTEW\n";

/// A real registry, which holds what it is sent for as long as the test lasts.
pub struct Registry {
    child: Child,
    pub address: SocketAddr,
    _directory: TempDir,
    reader: Option<JoinHandle<()>>,
}

impl Registry {
    /// One that anyone may use.
    #[track_caller]
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// One for `tester`, who knows `correct-horse`.
    #[track_caller]
    pub fn with_password() -> Self {
        Self::start_with("auth: { htpasswd: { realm: tests, path: passwords } }\n")
    }

    #[track_caller]
    fn start_with(settings: &str) -> Self {
        let directory = tempfile::tempdir().expect("temporary directory");
        let write = |name: &str, text: &str| {
            let mut file = File::create(directory.path().join(name)).expect("file");
            file.write_all(text.as_bytes()).expect("file");
        };
        write("passwords", PASSWORDS);
        let storage = "storage: { filesystem: { rootdirectory: data } }\nhttp: { addr: '127.0.0.1:0' }\n";
        write("registry.yml", &format!("version: 0.1\nlog: {{ level: info }}\n{storage}{settings}"));
        let mut child = Command::new(program())
            .args(["serve", "registry.yml"])
            .current_dir(&directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the registry starts");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines().map_while(Result::ok);
        let address = lines.find_map(|line| {
            let (_, rest) = line.split_once("listening on ")?;
            rest.split('"').next()?.parse().ok()
        });
        let address = address.unwrap_or_else(|| panic!("the registry ended: {:?}", child.wait()));
        // Read on, so that its log never blocks it.
        let reader = std::thread::spawn(move || lines.for_each(drop));
        Self { child, address, _directory: directory, reader: Some(reader) }
    }

    /// What a component there is called.
    pub fn reference(&self, name: &str) -> String {
        format!("oci://{}/{name}", self.address)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

/// Where the program is: installed, or where `cargo xtask test` has put it.
#[track_caller]
fn program() -> PathBuf {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories = std::env::split_paths(&path).chain([target.join("tools/usr/bin")]);
    let mut programs = directories.map(|directory| directory.join(PROGRAM));
    programs.find(|path| path.is_file()).expect("no docker-registry: run `cargo xtask test`, which brings it")
}

/// A request that a fake registry got.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    /// With its query.
    pub path: String,
    /// In lower case, as `name: value`.
    fields: Vec<String>,
    pub at: Instant,
}

impl Seen {
    /// The value of a header field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find_map(|field| field.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// A registry that answers whatever it is told to, byte by byte.
pub struct FakeRegistry {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl FakeRegistry {
    /// Answers each request with what `answer` makes of it; the connection is closed after it. An empty answer
    /// is none: the client is left waiting.
    pub fn start(answer: impl Fn(&Seen) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (log, answer) = (seen.clone(), Arc::new(answer));
        // Both kinds of threads end with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (log, answer) = (log.clone(), answer.clone());
                std::thread::spawn(move || converse(stream, &log, &*answer));
            }
        });
        Self { address, seen }
    }

    /// The requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("requests").clone()
    }

    /// Those of them whose path contains this.
    pub fn seen_with(&self, part: &str) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| seen.path.contains(part)).collect()
    }

    /// What a component there is called.
    pub fn reference(&self, name: &str) -> String {
        format!("oci://{}/{name}", self.address)
    }
}

fn converse(mut stream: TcpStream, log: &Mutex<Vec<Seen>>, answer: &dyn Fn(&Seen) -> Vec<u8>) {
    stream.set_read_timeout(Some(SOON)).expect("a socket option");
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            Ok(_) | Err(_) => return,
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut lines = head.lines();
    let mut words = lines.next().unwrap_or_default().split(' ').map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let field = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some(format!("{}: {}", name.to_lowercase(), value.trim()))
    };
    let seen = Seen { method, path, fields: lines.filter_map(field).collect(), at: Instant::now() };
    let length = seen.field("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    if stream.read_exact(&mut body).is_err() {
        return;
    }
    log.lock().expect("requests").push(seen.clone());
    let answer = answer(&seen);
    let _ = stream.write_all(&answer);
    if answer.is_empty() {
        // Until the client goes.
        let _ = stream.read(&mut byte);
    }
}

/// An answer with these fields (each with its line end) and this body.
pub fn answer(status: &str, fields: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\n{fields}Content-Length: {length}\r\nConnection: close\r\n\r\n");
    [head.as_bytes(), body].concat()
}
