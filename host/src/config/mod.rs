//! The settings of a host: one value, built once from flags, environment, file and defaults, and
//! validated before anything starts. Each module is handed its own section.

mod compile;
mod component;
mod deploy;
mod explain;
mod file;
mod handler;
mod layers;
mod mistake;
mod reuse;
mod schema;
mod setting;
mod source;
mod token;
mod units;

use crate::registry;
use ipnet::IpNet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

pub use compile::{CacheConfig, CodeProfile, CompileConfig};
pub use component::ComponentSource;
pub use deploy::{CanaryConfig, DeployConfig, StateConfig};
pub use handler::{BadName, HandlerConfig, HandlerName, HandlerSpec, Terms, Values, own_settings};
pub use layers::{Flags, Sources};
pub use mistake::{Mistake, Mistakes, Origin};
pub use reuse::Reuse;
pub use schema::schema;
pub use setting::{SETTINGS, Setting};
pub use token::Token;

/// Everything that a host needs to know before it starts.
#[derive(Clone, Debug)]
pub struct Config {
    /// What is served, and where.
    pub handlers: Vec<HandlerConfig>,
    /// Whether a change of what is served takes effect by itself.
    pub watch: bool,
    /// Addresses and limits of connections and requests.
    pub net: NetConfig,
    /// Where the host is looked after, and by whom.
    pub admin: AdminConfig,
    /// How many requests are let in, and how long the others wait.
    pub admission: AdmissionConfig,
    /// The threads that poll guests.
    pub executor: ExecutorConfig,
    /// What one instance may use.
    pub limits: Limits,
    /// How long an instance lives beyond the request that it was made for.
    pub reuse: Reuse,
    /// What the code of handlers is compiled for.
    pub code_profile: CodeProfile,
    /// What a guest is granted by name.
    pub grants: Grants,
    /// Components that stand in front of what is served, the outermost first.
    pub middleware: Vec<ComponentSource>,
    /// How registries are used.
    pub registries: registry::Settings,
    /// Files of public keys, one of which has to have signed what is served; without any, none has to.
    pub require_signature: Vec<PathBuf>,
    /// How log lines are written.
    pub log_format: LogFormat,
    /// What compiling may take, and where its results are kept.
    pub compile: CompileConfig,
    /// Where deployments are kept, and what bounds them.
    pub deploy: DeployConfig,
}

/// Addresses and limits of connections and requests.
#[derive(Clone, Debug)]
pub struct NetConfig {
    /// Where to listen.
    pub listen: Vec<ListenAt>,
    /// Who is believed about where requests come from.
    pub proxies: ProxyConfig,
    /// What connections are secured with, if they are.
    pub tls: TlsSettings,
    /// Connections open at once; a few more are told so.
    pub connections_max: u32,
    /// Bytes of a request's body.
    pub body_bytes_max: u64,
    /// Bytes of a request's target.
    pub uri_bytes_max: usize,
    /// Bytes of a request's header fields, names and values together.
    pub header_bytes_max: usize,
    /// Streams that one HTTP/2 connection may have open at once.
    pub concurrent_streams_max: u32,
    /// How long a client may take to send a request's head.
    pub header_timeout: Duration,
    /// How long a connection may have no request.
    pub idle_timeout: Duration,
    /// How long a client may leave a response unread.
    pub write_timeout: Duration,
    /// How long a guest that reads a body waits for the client's next bytes.
    pub body_timeout: Duration,
    /// How long the host serves on once it is told to stop, saying that it will.
    pub drain_delay: Duration,
    /// How long running requests may go on once the host is told to stop.
    pub drain_timeout: Duration,
}

/// One place to listen at.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ListenAt {
    /// At the sockets that a service manager passed, else at the usual address.
    Auto,
    /// At an address; port 0 lets the system choose.
    Tcp(SocketAddr),
    /// At a Unix socket.
    Unix(PathBuf),
}

impl ListenAt {
    /// The usual address.
    pub const USUAL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
}

impl fmt::Display for ListenAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Who is believed about where requests come from, and by which header fields.
#[derive(Clone, Debug)]
pub struct ProxyConfig {
    /// Addresses of proxies.
    pub trusted: Vec<IpNet>,
    /// What they write.
    pub forwarded_by: ForwardedBy,
}

/// The header fields that proxies write. One kind only: what a proxy does not write it may pass on, and
/// then it is the client's word.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ForwardedBy {
    /// `X-Forwarded-For`, `-Proto` and `-Host`.
    XForwarded,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// Where the host is looked after, and by whom.
#[derive(Clone, Debug)]
pub struct AdminConfig {
    /// Where to listen.
    pub listen: AdminListen,
    /// What a client must know; without it everyone on this machine may.
    pub token: Option<Token>,
}

/// Where the admin side listens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AdminListen {
    /// Nowhere.
    Off,
    /// At the usual address, unless it is taken.
    Usual,
    /// At this address.
    At(SocketAddr),
}

impl AdminListen {
    /// The usual address.
    pub const USUAL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8081);
}

/// TLS as it is set: a certificate and its key, or neither.
#[derive(Clone, Debug)]
pub struct TlsSettings {
    /// PEM file of the certificate and those that vouch for it.
    pub cert: Option<PathBuf>,
    /// PEM file of the certificate's key.
    pub key: Option<PathBuf>,
    /// PEM file of the authorities one of which has to vouch for every client.
    pub client_ca: Option<PathBuf>,
    /// Handshakes at once; others wait for their turn.
    pub handshakes_max: u32,
    /// How long a handshake may take, its turn included.
    pub handshake_timeout: Duration,
}

impl TlsSettings {
    /// What to secure connections with; none where they are plain.
    pub fn config(&self) -> Option<TlsConfig> {
        let (cert, key) = (self.cert.clone()?, self.key.clone()?);
        let files = TlsFiles { cert, key, client_ca: self.client_ca.clone() };
        Some(TlsConfig {
            files,
            handshakes_max: self.handshakes_max,
            handshake_timeout: self.handshake_timeout,
        })
    }
}

/// TLS, where it is spoken.
#[derive(Clone, Debug)]
pub struct TlsConfig {
    /// Certificate, key and authorities.
    pub files: TlsFiles,
    /// Handshakes at once.
    pub handshakes_max: u32,
    /// How long a handshake may take.
    pub handshake_timeout: Duration,
}

/// The PEM files of TLS.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The certificate and those that vouch for it.
    pub cert: PathBuf,
    /// The certificate's key.
    pub key: PathBuf,
    /// Authorities one of which has to vouch for every client.
    pub client_ca: Option<PathBuf>,
}

/// How many requests are let in, and how long the others wait.
#[derive(Clone, Copy, Debug)]
pub struct AdmissionConfig {
    /// Instances alive at once, over all handlers.
    pub instances: NonZeroU32,
    /// Instances of one handler alive at once.
    pub concurrency: NonZeroU32,
    /// Requests waiting for an instance; 0 refuses at once.
    pub queue_max: u32,
    /// What of the queue one handler may take, in percent.
    pub queue_share_percent: u32,
    /// How long a request waits for an instance.
    pub queue_timeout: Duration,
    /// Responses that stream at once; each has an instance beside those of `instances`.
    pub streams_max: u32,
    /// What of the memory may be taken before new requests are refused, in percent; none for all.
    pub memory_pressure_percent: Option<u32>,
    /// How often one client may ask.
    pub rate_client: Option<Rate>,
    /// How often all clients of one handler may ask.
    pub rate_handler: Option<Rate>,
}

/// So many requests in a time, and so many at once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rate {
    /// Requests in a period.
    pub count: NonZeroU32,
    /// A second, a minute or an hour.
    pub period: Duration,
    /// Requests at once, after a rest.
    pub burst: NonZeroU32,
}

impl AdmissionConfig {
    /// Requests of one handler that may wait.
    pub fn queue_share(&self) -> usize {
        let places = u64::from(self.queue_max) * u64::from(self.queue_share_percent);
        usize::try_from(places.div_ceil(100)).unwrap_or(usize::MAX)
    }

    /// Sandboxes that may be alive at once.
    pub fn sandboxes_max(&self) -> u32 {
        self.instances.get().saturating_add(self.streams_max)
    }
}

/// The threads that poll guests.
#[derive(Clone, Copy, Debug)]
pub struct ExecutorConfig {
    /// Executor threads.
    pub threads: NonZeroU32,
    /// The longest a guest runs before it goes to the back of the queue: one epoch tick.
    pub slice: Duration,
    /// CPU time after which a job leaves the threads of normal priority.
    pub busy_after: Duration,
    /// CPU time after which a job gets only what the others leave.
    pub hog_after: Duration,
    /// The nice value of `busy` threads.
    pub busy_nice: i32,
    /// What `hog` threads run at.
    pub hog_priority: HogPriority,
    /// Whether each thread stays on one core.
    pub pin_threads: bool,
}

/// What `hog` threads run at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HogPriority {
    /// `SCHED_IDLE`: only when nothing else runs.
    Idle,
    /// A nice value.
    Nice(i32),
}

/// What one instance may use. A fresh instance serves every request.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Wall time over instantiation, handler and body.
    pub timeout: Duration,
    /// CPU time inside polls.
    pub cpu_time: Duration,
    /// Units of fuel (about one per instruction), counted only when set.
    pub fuel: Option<u64>,
    /// Bytes of all linear memories and tables together.
    pub memory_bytes_max: u64,
    /// Bytes of WebAssembly stack.
    pub stack_bytes_max: usize,
    /// Host resources (streams, bodies, pollables …) held at once.
    pub handles_max: usize,
    /// Bytes copied out of the guest in one host call.
    pub hostcall_bytes_max: usize,
    /// Bytes of randomness in one host call.
    pub random_bytes_max: u64,
    /// Bytes of one set of header fields, as held in memory.
    pub fields_bytes_max: usize,
    /// Bytes of standard output and error that reach the log.
    pub log_bytes_max: usize,
    /// Outbound connections at once.
    pub outbound_max: u32,
}

/// What the host's own frames may use of a guest's stack beyond the guest's part; running out of
/// it would abort the process, so it is generous.
pub const HOST_STACK_BYTES: usize = 1536 * 1024;

impl Limits {
    /// Bytes of the largest parts of one sandbox: its memories, its tables and its stack.
    pub fn sandbox_bytes_max(&self) -> u64 {
        self.memory_bytes_max.saturating_add((self.stack_bytes_max + HOST_STACK_BYTES) as u64)
    }
}

/// What a guest is granted by name. Nothing else is reachable.
#[derive(Clone, Debug, Default)]
pub struct Grants {
    /// Environment variables.
    pub env: Vec<(String, String)>,
    /// Destinations of outbound HTTP.
    pub outbound: Vec<Destination>,
    /// Outbound connections of all instances at once.
    pub outbound_max: u32,
}

/// One destination that outbound requests may reach.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Destination {
    /// Host name or IP literal (IPv6 without brackets), in lower case, compared whole.
    pub host: String,
    /// The port; none stands for every port.
    pub port: Option<u16>,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LogFormat {
    /// One line a reader can follow.
    Human,
    /// One JSON object a line.
    Json,
}
