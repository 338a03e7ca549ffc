//! The engines of the process: how guests are compiled, and what they share. One for each way to compile
//! them, made when it is first needed, and all of them are ticked. A component, its linker and its stores
//! belong to one engine and never meet another's (RUSTSEC-2026-0222): only [`Handler`] holds them.

use super::code::{CodeSettings, Kind};
use super::compiler::Compiler;
use super::component::{Checked, LoadError};
use super::handler::{Handler, HandlerSettings};
use super::layout::{Layout, SandboxError};
use super::room::Room;
use super::shape::Shape;
use crate::config::{AdmissionConfig, CodeProfile, Limits};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use wasmtime::Engine;

/// Engines that are usually needed sooner or later: one for handlers of WASI 0.2, one for those of 0.3. There
/// is room for both from the start where the machine has it, or the first handler of the other kind that is
/// loaded while the host serves would be refused.
const ENGINES_USUAL: u32 = 2;

/// What every handler is loaded into: the engines and their pools.
pub struct Sandbox {
    engines: Arc<[OnceLock<Engine>; Kind::COUNT]>,
    /// Held while an engine is made, with how many there are without guard pages.
    made: Mutex<u32>,
    layout: Layout,
    /// Where instances of all handlers have their places.
    pub(super) room: Arc<Room>,
    /// Where those of them have one, too, that run code with guard pages.
    guarded: Arc<Room>,
    /// What the host allows at most.
    limits: Limits,
    compiler: Arc<Compiler>,
    /// Sandboxes that may be alive at once: all the pool has room for, or what the kernel has mappings for.
    pub alive_max: u32,
    /// Things worth telling the operator, none of which keeps the host from serving.
    pub warnings: Vec<String>,
}

/// What a sandbox is to have room for: all of the handlers that it is made for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Needs {
    shape: Shape,
    kinds: [bool; Kind::COUNT],
}

impl Needs {
    /// Adds a component that is to run within `limits`.
    pub fn add(&mut self, component: &Checked, limits: &Limits) {
        self.add_shape(&component.shape, limits);
    }

    /// Adds what a component was found to need when it was loaded.
    pub fn add_shape(&mut self, shape: &Shape, limits: &Limits) {
        self.shape.grow(shape);
        self.kinds[Kind::of(shape, limits).index()] = true;
    }

    fn engines(&self) -> u32 {
        self.kinds.iter().map(|needed| u32::from(*needed)).sum()
    }
}

impl Sandbox {
    /// Lays out room for components that need up to `needs`, all within `limits`; `compiler` compiles them.
    ///
    /// # Errors
    /// What the machine lacks for it.
    pub fn new(
        needs: &Needs,
        limits: Limits,
        admission: &AdmissionConfig,
        compiler: Arc<Compiler>,
    ) -> Result<Self, SandboxError> {
        let layout = Layout::plan(admission, &limits, needs.shape, needs.engines(), ENGINES_USUAL)?;
        let warnings = layout.warning().into_iter().collect();
        let (engines, made, alive_max) = (Arc::default(), Mutex::default(), layout.alive_max());
        let (room, guarded) = (Room::new(alive_max), Room::new(layout.guarded_max));
        Ok(Self { engines, made, alive_max, layout, room, guarded, limits, compiler, warnings })
    }

    /// The host serves, and logs: what is compiled from now on only gets what serving leaves of the machine.
    pub fn give_way(&self) {
        self.compiler.give_way();
    }

    /// Has a component compiled and links it, to run within `limits`, which are at most the host's. Blocks for
    /// as long as the compiler's process takes: never to be called on the I/O runtime or on an executor thread,
    /// and from as many others at once as one likes, also while the host serves.
    ///
    /// # Errors
    /// Why it cannot be served; [`LoadError::Room`] if it could be after a start that knows of it.
    pub fn load(
        &self,
        component: &Checked,
        limits: Limits,
        settings: HandlerSettings,
    ) -> Result<Arc<Handler>, LoadError> {
        let shape = component.shape;
        if shape.memory_bytes_min > limits.memory_bytes_max {
            let (needed, allowed) = (shape.memory_bytes_min, limits.memory_bytes_max);
            return Err(LoadError::MemoryMinimum { needed, allowed });
        }
        self.layout.check(&shape)?;
        let profile = settings.code_profile;
        let kind = Kind::of(&shape, &limits);
        let engine = self.engine(kind)?;
        let code = self.compiler.load(engine, self.code(kind), component, &settings.name)?;
        // The bytes say what is declared; what is instantiated more than once, only the compiler knows.
        if let Some(required) = code.resources_required() {
            self.layout.check(&shape.covering(&required))?;
        }
        let handler = Handler::new(engine, &code, component.digest, limits, settings, &self.room)?;
        match profile {
            CodeProfile::Compute => self.compile_to_compute(&handler, component)?,
            CodeProfile::Auto => self.compiler.keep(component),
            CodeProfile::Latency => {}
        }
        Ok(handler)
    }

    /// Has the handler's component compiled anew, for computing, out of what was kept of it: its next instances
    /// run that. Blocks as [`Self::load`] does.
    ///
    /// # Errors
    /// Why it goes on as it is.
    pub fn tune(&self, handler: &Handler) -> Result<(), LoadError> {
        let component = self.compiler.kept(handler.digest()).ok_or(LoadError::NotKept)?;
        self.compile_to_compute(handler, &component)
    }

    fn compile_to_compute(&self, handler: &Handler, component: &Checked) -> Result<(), LoadError> {
        let kind = Kind { guards: true, ..Kind::of(&component.shape, &handler.limits) };
        let engine = self.engine(kind)?;
        let code = self.compiler.load(engine, self.code(kind), component, handler.name())?;
        handler.compute_with(engine, &code, &self.guarded)
    }

    /// Advances the epoch: every running guest is asked for its budgets at its next check.
    pub fn ticker(&self) -> impl Fn() + Send + Sync + 'static {
        let engines = self.engines.clone();
        move || engines.iter().filter_map(OnceLock::get).for_each(Engine::increment_epoch)
    }

    /// The engine of this kind, made if there is none yet.
    fn engine(&self, kind: Kind) -> Result<&Engine, LoadError> {
        let place = &self.engines[kind.index()];
        if let Some(engine) = place.get() {
            return Ok(engine);
        }
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(engine) = place.get() {
            return Ok(engine);
        }
        let Layout { guarded_max, engines_max, .. } = self.layout;
        match kind.guards {
            true if guarded_max == 0 => return Err(LoadError::NoGuards),
            false if *made >= engines_max => return Err(LoadError::Engines(engines_max)),
            true | false => {}
        }
        let config = self.code(kind).runner(self.layout.pool(kind.guards));
        let engine = Engine::new(&config).map_err(LoadError::Engine)?;
        *made += u32::from(!kind.guards);
        Ok(place.get_or_init(|| engine))
    }

    fn code(&self, kind: Kind) -> CodeSettings {
        CodeSettings::new(&self.limits, kind, self.layout.images())
    }
}
