//! What is measured, and all that it takes.

use bytes::Bytes;
use http::{Request, request};
use http_body_util::{BodyExt, Full};
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{self, Runtime};
use tokio::sync::oneshot;
use wasm_host::capabilities::OutboundGrant;
use wasm_host::config::{CacheConfig, CodeProfile, Config, Flags, Sources};
use wasm_host::executor::Executor;
use wasm_host::net::receive;
use wasm_host::sandbox::{Budget, Checked, Compiler, Handler, HandlerSettings, Needs, Sandbox, Stepped};
use wasm_host::telemetry::{Exchange, HandlerStats, RequestHead, RequestId};

/// Sent and sent back by the guest of [`Part::Body`].
const BODY_BYTES: usize = 64 * 1024;
/// Jobs of [`Part::Dispatch`] that are on their way together.
const JOBS_AT_ONCE: u64 = 100;
/// What nothing here is to run into.
const HOUR: Duration = Duration::from_secs(3600);

/// A part of a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Part {
    /// A head is checked, and made the guest's.
    Head,
    /// A job goes through a run queue to an executor thread, and is gone.
    Dispatch,
    /// A store is made, and dropped.
    Store,
    /// The same, with a component instantiated in it.
    Instantiate,
    /// A guest that is there reads the path and answers.
    Call,
    /// A guest that is there sends 64 KiB back as they come.
    Body,
}

impl Part {
    /// All of them, in the order of a request.
    pub(crate) const ALL: [Self; 6] =
        [Self::Head, Self::Dispatch, Self::Store, Self::Instantiate, Self::Call, Self::Body];

    /// What the results call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::Dispatch => "dispatch",
            Self::Store => "store",
            Self::Instantiate => "instantiate",
            Self::Call => "call",
            Self::Body => "body",
        }
    }
}

/// A host without a network.
pub(crate) struct Bench {
    config: Config,
    runtime: Runtime,
    executor: Executor,
    stats: Arc<HandlerStats>,
    hello: Arc<Handler>,
    echo: Arc<Handler>,
    /// Declared last, dropped last.
    _sandbox: Sandbox,
}

impl Bench {
    /// Loads the guests `hello` and `echo`, built before; `cache` is where their code is kept, if it is.
    pub(crate) fn new(cache: Option<PathBuf>) -> Self {
        let mut config = settings();
        config.admission.instances = NonZeroU32::MIN;
        config.admission.streams_max = 4;
        // Where instructions are counted, compiling takes minutes and more than a gigabyte.
        config.compile.cache = cache.map_or(CacheConfig::Off, CacheConfig::Directory);
        config.compile.memory_bytes_max = 64 << 30;
        config.compile.cpu_time = HOUR;
        // One thread, and next to no ticks in what is counted.
        config.executor.threads = NonZeroU32::MIN;
        config.executor.slice = Duration::from_millis(500);
        let runtime = runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let executor = Executor::start(&config.executor, runtime.handle(), || {}).expect("threads");
        let stats = Arc::new(HandlerStats::new(config.executor.slice));
        let components = ["hello", "echo"].map(component);
        let mut needs = Needs::default();
        for component in &components {
            needs.add(component, &config.limits);
        }
        let compiler = Arc::new(Compiler::new(&config.compile).0);
        let sandbox =
            Sandbox::new(&needs, config.limits, &config.admission, compiler).expect("room for a sandbox");
        let load = |component: &Checked| {
            let settings = HandlerSettings {
                name: "micro".into(),
                env: Vec::new(),
                outbound: OutboundGrant::new(&[], 0),
                stats: stats.clone(),
                reuse: config.reuse,
                code_profile: CodeProfile::Latency,
                tells_instance: false,
            };
            sandbox.load(component, config.limits, settings).expect("a handler")
        };
        let [hello, echo] = [load(&components[0]), load(&components[1])];
        Self { config, runtime, executor, stats, hello, echo, _sandbox: sandbox }
    }

    /// Does a part so many times.
    pub(crate) fn run(&mut self, part: Part, times: u64) {
        self.runtime.block_on(async {
            match part {
                Part::Head => self.heads(times),
                Part::Dispatch => self.dispatch(times).await,
                Part::Store => self.instances(times, false).await,
                Part::Instantiate => self.instances(times, true).await,
                Part::Call => self.calls(&self.hello, times, 0).await,
                Part::Body => self.calls(&self.echo, times, BODY_BYTES).await,
            }
        });
    }

    fn heads(&self, times: u64) {
        let client = IpAddr::V4(Ipv4Addr::LOCALHOST);
        for _ in 0..times {
            let (head, ()) = request(()).into_parts();
            receive(head, client, &self.config.net).expect("a good head");
        }
    }

    async fn dispatch(&self, times: u64) {
        // Which thread comes first decides how often one wakes the other, and is not the same every time: so the
        // executor's has something to do until all are queued, and the last of them is waited for first.
        for _ in 0..times.div_ceil(JOBS_AT_ONCE) {
            let (open, gate) = std::sync::mpsc::channel::<()>();
            let (budget, exchange) = self.session();
            let wait = async move {
                // It is closed, and nothing is sent.
                let _ = gate.recv();
            };
            let _first = self.executor.spawn(1, wait, budget, exchange, ());
            let jobs = (0..JOBS_AT_ONCE).map(|_| {
                let (done, gone) = oneshot::channel::<()>();
                let (budget, exchange) = self.session();
                (self.executor.spawn(1, async { drop(done) }, budget, exchange, ()), gone)
            });
            let jobs = jobs.collect::<Vec<_>>();
            drop(open);
            for (job, gone) in jobs.into_iter().rev() {
                // Nothing is sent: it is dropped on the thread.
                let _ = gone.await;
                drop(job);
            }
        }
    }

    async fn instances(&self, times: u64, start: bool) {
        for _ in 0..times {
            let (budget, exchange) = self.session();
            let mut instance = Stepped::open(&self.hello, budget, exchange).await.expect("a store");
            if start {
                instance.start(&self.hello).await.expect("an instance");
            }
        }
    }

    async fn calls(&self, handler: &Handler, times: u64, body_bytes: usize) {
        let (budget, exchange) = self.session();
        let mut instance = Stepped::open(handler, budget, exchange).await.expect("a store");
        instance.start(handler).await.expect("an instance");
        let sent = Bytes::from(vec![b'x'; body_bytes]);
        for _ in 0..times {
            let (budget, exchange) = self.session();
            instance.begin(handler, budget, exchange).expect("a session");
            let (answer, answered) = oneshot::channel();
            let body = Full::new(sent.clone()).map_err(|never: Infallible| match never {});
            let called = instance.call(handler, request(body), answer);
            let read = async {
                let response = answered.await.expect("an answer");
                let whole = response.into_body().collect().await;
                whole.unwrap_or_else(|_| panic!("a body")).to_bytes()
            };
            let (called, read) = tokio::join!(called, read);
            called.expect("a guest that returns");
            assert!(read.len() >= body_bytes.max(1), "the guest answers with {} bytes", read.len());
        }
    }

    fn session(&self) -> (Arc<Budget>, Arc<Exchange>) {
        let head = RequestHead {
            id: RequestId::from_client(None),
            trace: None,
            method: http::Method::POST,
            path: "/hello".to_owned(),
            handler: "micro".into(),
        };
        let exchange = Exchange::new(head, self.stats.clone());
        (Arc::new(Budget::new(HOUR, HOUR, exchange.clone())), exchange)
    }
}

/// What a browser would send.
fn request<B>(body: B) -> Request<B> {
    let builder = request::Builder::new().method("POST").uri("/hello").header("host", "micro.example");
    let builder = builder.header("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101");
    let builder = builder.header("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8");
    let builder = builder.header("accept-encoding", "gzip, deflate, br").header("accept-language", "en");
    builder.body(body).expect("a request")
}

fn settings() -> Config {
    let sources = Sources { flags: Flags::default(), environment: Vec::new(), directory: "".into() };
    sources.settings().expect("the defaults")
}

fn component(guest: &str) -> Checked {
    let guests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/guests");
    let path = guests.join(guest).with_extension("wasm");
    let bytes = std::fs::read(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; `cargo xtask guests` builds it", path.display()));
    Checked::from_bytes(bytes).expect("a component")
}
