//! What is asked of the servers: for each scenario the guest, the request, and who takes part.

use std::borrow::Cow;

use super::server::Server;

/// A thing that is measured. Names are as they stand in the results and after `--scenario`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Scenario {
    /// Hello in Rust, 32 connections
    Hello,
    /// The same with 256 connections
    #[value(name = "hello-256")]
    Hello256,
    /// Hello in Rust for WASI 0.3
    Hello3,
    /// A guest that reads its path, its headers and a body of 10 KiB, and answers JSON
    Report,
    /// Hello in JavaScript
    HelloJs,
    /// Hello in Python
    HelloPy,
    /// A guest that hashes
    Hash,
    /// A guest that sorts
    Sort,
    /// A guest that reads and writes JSON
    Json,
    /// A guest that makes a picture smaller
    Resize,
    /// A guest that sends a body of 1 MiB back as it comes
    Echo,
    /// One request at a time on an idle host, on an open connection
    IdleWarm,
    /// One request at a time after a rest, on a new connection
    IdleCold,
    /// From the start to the first answer, compiled before
    Start,
    /// The same for JavaScript
    StartJs,
    /// Memory of a server that waits
    MemoryIdle,
    /// What a request adds to it that is being served
    MemoryInstance,
    /// What a request adds to it that waits for its turn
    MemoryWaiting,
}

/// How a scenario is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    /// Answers per second, on so many connections that ask again at once.
    Crowd { connections: usize },
    /// How long one request takes while there is no other.
    Alone { new_connections: bool },
    /// How long a start takes.
    Start,
    /// What there is resident, or what requests add to it.
    Memory(Occupied),
}

/// What a server is at while its memory is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Occupied {
    Idle,
    /// Requests that all run.
    Running,
    /// Requests that wait while others run.
    Waiting,
}

/// As many as ask in most scenarios.
const CONNECTIONS: usize = 32;
/// As many as ask where they are many, and as there are at most.
pub(super) const CONNECTIONS_MAX: usize = 256;
/// The bodies that are sent.
const REPORT_BODY_BYTES: usize = 10 * 1024;
const ECHO_BODY_BYTES: usize = 1024 * 1024;

impl Scenario {
    /// All of them, in the order of the results.
    pub(super) const ALL: [Self; 18] = [
        Self::Hello,
        Self::Hello256,
        Self::Hello3,
        Self::Report,
        Self::HelloJs,
        Self::HelloPy,
        Self::Hash,
        Self::Sort,
        Self::Json,
        Self::Resize,
        Self::Echo,
        Self::IdleWarm,
        Self::IdleCold,
        Self::Start,
        Self::StartJs,
        Self::MemoryIdle,
        Self::MemoryInstance,
        Self::MemoryWaiting,
    ];

    /// What the results call it.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Hello => "hello in Rust",
            Self::Hello256 => "hello in Rust, 256 connections",
            Self::Hello3 => "hello in Rust for WASI 0.3",
            Self::Report => "path, headers and a body of 10 KiB, answered with JSON",
            Self::HelloJs => "hello in JavaScript",
            Self::HelloPy => "hello in Python",
            Self::Hash => "hashing 512 KiB",
            Self::Sort => "sorting 50,000 numbers",
            Self::Json => "reading and writing 100 KiB of JSON",
            Self::Resize => "making a picture of 512 × 384 smaller",
            Self::Echo => "echo of 1 MiB",
            Self::IdleWarm => "one request on an idle host, open connection",
            Self::IdleCold => "one request after a rest, new connection",
            Self::Start => "start to the first hello, compiled before",
            Self::StartJs => "start to the first hello in JavaScript, compiled before",
            Self::MemoryIdle => "memory of an idle server",
            Self::MemoryInstance => "memory of a request that is being served",
            Self::MemoryWaiting => "memory of a request that waits",
        }
    }

    /// How it is measured.
    pub(super) fn method(self) -> Method {
        match self {
            Self::Hello
            | Self::Hello3
            | Self::Report
            | Self::HelloJs
            | Self::HelloPy
            | Self::Hash
            | Self::Sort
            | Self::Json
            | Self::Resize
            | Self::Echo => Method::Crowd { connections: CONNECTIONS },
            Self::Hello256 => Method::Crowd { connections: CONNECTIONS_MAX },
            Self::IdleWarm => Method::Alone { new_connections: false },
            Self::IdleCold => Method::Alone { new_connections: true },
            Self::Start | Self::StartJs => Method::Start,
            Self::MemoryIdle => Method::Memory(Occupied::Idle),
            Self::MemoryInstance => Method::Memory(Occupied::Running),
            Self::MemoryWaiting => Method::Memory(Occupied::Waiting),
        }
    }

    /// Who takes part: those for whom it makes a difference.
    pub(super) fn servers(self) -> &'static [Server] {
        match self {
            Self::Hello => &[
                Server::WasmHost,
                Server::WasmHostReuse,
                Server::Wasmtime,
                Server::WasmtimeTimeout,
                Server::WasmtimeTuned,
                Server::WasmtimeReuse,
                Server::Workerd,
                Server::Fastapi,
                Server::Fastapi4,
                Server::BareHyper,
            ],
            Self::Hello256 => &[Server::WasmHost, Server::WasmHostReuse, Server::Wasmtime, Server::BareHyper],
            Self::Hello3 => &[
                Server::WasmHost,
                Server::WasmHostReuse,
                Server::Wasmtime,
                Server::WasmtimeFresh,
                Server::WasmtimeTuned,
                Server::WasmtimeReuse,
            ],
            Self::Report => {
                &[Server::WasmHost, Server::WasmHostReuse, Server::Wasmtime, Server::WasmtimeReuse]
            }
            Self::HelloJs | Self::HelloPy => &[Server::WasmHost, Server::Wasmtime, Server::WasmtimeTuned],
            Self::IdleWarm | Self::IdleCold => &[Server::WasmHost, Server::Wasmtime, Server::BareHyper],
            Self::Start | Self::MemoryIdle => &[
                Server::WasmHost,
                Server::Wasmtime,
                Server::Workerd,
                Server::Fastapi,
                Server::Fastapi4,
                Server::BareHyper,
            ],
            Self::Hash | Self::Sort | Self::Json | Self::Resize => {
                &[Server::WasmHost, Server::Wasmtime, Server::WasmtimeTimeout]
            }
            Self::Echo | Self::StartJs | Self::MemoryInstance | Self::MemoryWaiting => {
                &[Server::WasmHost, Server::Wasmtime]
            }
        }
    }

    /// What is served where a server has guests.
    pub(super) fn guest(self) -> &'static str {
        match self {
            Self::Hello
            | Self::Hello256
            | Self::IdleWarm
            | Self::IdleCold
            | Self::Start
            | Self::MemoryIdle => "hello",
            Self::Hello3 => "hello3",
            Self::Report => "report",
            Self::HelloJs | Self::StartJs => "hello-js",
            Self::HelloPy => "hello-py",
            Self::Hash | Self::Sort | Self::Json | Self::Resize => "compute",
            Self::Echo => "echo",
            Self::MemoryInstance | Self::MemoryWaiting => "mixed",
        }
    }

    /// The request.
    pub(super) fn request(self) -> Cow<'static, [u8]> {
        let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes().into();
        match self {
            Self::Hash => get("/hash"),
            Self::Sort => get("/sort"),
            Self::Json => get("/json"),
            Self::Resize => get("/resize"),
            Self::MemoryInstance | Self::MemoryWaiting => get("/sleep"),
            Self::Report => post("/report?of=the%20day", REPORT_BODY_BYTES),
            Self::Echo => post("/echo", ECHO_BODY_BYTES),
            Self::Hello
            | Self::Hello256
            | Self::Hello3
            | Self::HelloJs
            | Self::HelloPy
            | Self::IdleWarm
            | Self::IdleCold
            | Self::Start
            | Self::StartJs
            | Self::MemoryIdle => get("/hello"),
        }
    }

    /// Whether this is an answer to the request: its `beginning`, and its length. A server that does
    /// something else would be compared with nothing.
    pub(super) fn is_answer(self, beginning: &[u8], body_bytes: usize) -> bool {
        match self {
            Self::Report => beginning.starts_with(b"{\"bytes\":10240,\"checksum\":\"0f507393778e2025\","),
            Self::Echo => body_bytes == ECHO_BODY_BYTES,
            Self::Hash => beginning.starts_with(b"hashed "),
            Self::Sort => beginning.starts_with(b"sorted "),
            Self::Json => beginning.starts_with(b"read "),
            Self::Resize => beginning.starts_with(b"resized "),
            Self::Hello
            | Self::Hello256
            | Self::Hello3
            | Self::HelloJs
            | Self::HelloPy
            | Self::IdleWarm
            | Self::IdleCold
            | Self::Start
            | Self::StartJs
            | Self::MemoryIdle => beginning == b"Hello from /hello\n",
            // Nobody waits for these.
            Self::MemoryInstance | Self::MemoryWaiting => true,
        }
    }
}

/// A request as a browser sends one, with a body of so many bytes.
fn post(target: &str, body_bytes: usize) -> Cow<'static, [u8]> {
    let mut request = format!(
        "POST {target} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: wasm-host-bench/1\r\nAccept: */*\r\n\
         Accept-Encoding: gzip, br\r\nAccept-Language: en\r\nCookie: session=0123456789abcdef; theme=dark\r\n\
         Content-Type: application/octet-stream\r\nContent-Length: {body_bytes}\r\n\r\n"
    )
    .into_bytes();
    request.extend((0..body_bytes).map(|place| (place % 251) as u8));
    request.into()
}
