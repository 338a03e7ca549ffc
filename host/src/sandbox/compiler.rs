//! From a checked component to code that an engine can run: out of the cache if it is there and nobody has
//! touched it, else by a process of its own. Nothing else compiles: a component is made by strangers, and what
//! it makes of a compiler (hours, gigabytes, a crash) must not become of the host.

mod cache;
mod child;
mod draft;
mod jobs;
mod order;
mod pieces;
mod process;
mod reports;
mod seal;
mod vouched;

use super::code::{CodeSettings, engine_digest};
use super::component::{Checked, LoadError};
use super::deserialize;
use crate::config::CompileConfig;
use crate::digest::Digest;
use crate::telemetry::Progress;
use cache::{Cache, Found};
use jobs::Jobs;
use order::Order;
use reports::{Report, Reports};
use seal::Origin;
use std::time::{Duration, Instant};
use wasmtime::Engine;
use wasmtime::component::Component;

pub use child::compile_as_ordered;
pub use process::COMPILE_WORD;
pub(super) use vouched::{Source, Vouched};

/// How much longer than its CPU time a compilation may take: it gets what the others leave of the machine.
const WALL_FACTOR: u32 = 5;

/// Compiles components, for every engine of this process.
pub struct Compiler {
    cache: Option<Cache>,
    config: CompileConfig,
    jobs: Jobs,
    reports: Reports,
    progress: Progress,
}

impl Compiler {
    /// A compiler within the bounds of `config`, with what to warn of: without a cache it works all the same.
    pub fn new(config: &CompileConfig) -> (Self, Option<String>) {
        let (cache, warning) = match Cache::open(&config.cache, config.cache_bytes_max) {
            Ok(cache) => (cache, None),
            Err(why) => (None, Some(format!("compiled code is not cached: {why}"))),
        };
        let compiler = Self {
            cache,
            config: config.clone(),
            jobs: Jobs::new(config.jobs.get()),
            reports: Reports::new(),
            progress: Progress::on_terminal(),
        };
        (compiler, warning)
    }

    /// The host serves, and logs: what is compiled from now on only gets what serving leaves of the machine.
    pub fn give_way(&self) {
        self.progress.end();
        self.reports.log();
    }

    /// The component as `engine`, which is one for `settings`, runs it. Blocks for as long as that takes.
    pub(super) fn load(
        &self,
        engine: &Engine,
        settings: CodeSettings,
        component: &Checked,
        handler: &str,
    ) -> Result<Component, LoadError> {
        let origin = Origin { component: component.digest, engine: engine_digest(engine) };
        if let Some(code) = self.cached(&origin, handler) {
            // It was loaded before it was kept, by an engine of the same kind: a smaller pool is what is left to say no.
            return deserialize::load(engine, &code).map_err(LoadError::Unfit);
        }
        let code = self.compile(settings, component, handler)?;
        let loaded = deserialize::load(engine, &code).map_err(LoadError::Unfit)?;
        if let Some(Err(error)) = self.cache.as_ref().map(|cache| cache.put(&origin, &code)) {
            self.reports.report(Report::Unkept(handler.to_owned(), error.to_string()));
        }
        Ok(loaded)
    }

    /// Keeps the component itself, so that it can be compiled in another way later, where there is room for it.
    pub(super) fn keep(&self, component: &Checked) {
        // One that is missing is told when it is missed.
        let _ = self.cache.as_ref().map(|cache| cache.put_component(component));
    }

    /// The component that was kept, if it still is, and nobody has touched it.
    pub(super) fn kept(&self, digest: Digest) -> Option<Checked> {
        Checked::from_bytes(self.cache.as_ref()?.component(digest)?).ok()
    }

    fn cached(&self, origin: &Origin, handler: &str) -> Option<Vouched> {
        match self.cache.as_ref()?.get(origin) {
            Found::Code(code) => Some(code),
            Found::Nothing => None,
            Found::Rejected(file, why) => {
                self.reports.report(Report::Rejected(handler.to_owned(), file, why));
                None
            }
        }
    }

    fn compile(&self, code: CodeSettings, component: &Checked, handler: &str) -> Result<Vouched, LoadError> {
        let place = self.jobs.wait();
        let cpu_time = self.config.cpu_time;
        let order = Order {
            code,
            component_bytes: component.bytes.len() as u64,
            memory_bytes_max: self.config.memory_bytes_max,
            cpu_s_max: whole_seconds(cpu_time),
            yields: !self.reports.kept(),
        };
        let began = Instant::now();
        let waiting = self.progress.wait(format!("Compiling {handler}"));
        let time = cpu_time.saturating_mul(WALL_FACTOR);
        let done = process::compile(&order, &component.bytes, time, || waiting.tick())?;
        drop((waiting, place));
        let report = Report::Compiled(handler.to_owned(), began.elapsed(), done.len());
        self.reports.report(report);
        Ok(done)
    }
}

/// Limits of CPU time are in whole seconds (getrlimit(2)).
fn whole_seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}
