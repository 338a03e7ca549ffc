//! The one engine of the process: how guests are compiled, how their memories are pooled and what
//! that asks of the machine. Two engines are never mixed (RUSTSEC-2026-0222).

use super::component::{Checked, LoadError};
use super::handler::{Handler, HandlerSettings};
use super::maps;
use super::shape::Shape;
use crate::config::{AdmissionConfig, CacheConfig, HOST_STACK_BYTES, Limits};
use crate::memory::Memory;
use bytesize::ByteSize;
use std::path::{Path, PathBuf};
use wasmtime::component::Component;
use wasmtime::{
    Cache, Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, WasmBacktraceDetails,
};

/// Frames in a trap's backtrace.
const BACKTRACE_FRAMES_MAX: usize = 16;
/// Core instances, memories and tables of one component: a Python component has about thirty
/// instances. Instances are only counted; memories and tables take address space as the component asks.
const CORE_INSTANCES_MAX: u32 = 256;
/// Elements of one table at least; a JavaScript engine has about ten thousand.
const TABLE_ELEMENTS: u64 = 20_000;
/// Kept resident in a pool slot between two instances: resetting it by hand is cheaper than asking
/// the kernel for fresh pages.
const MEMORY_KEEP_RESIDENT_BYTES: usize = 512 * 1024;
const SMALL_KEEP_RESIDENT_BYTES: usize = 64 * 1024;
/// Address space of the process that is not the pool.
const OTHER_ADDRESS_SPACE_BYTES: u64 = 2 * 1024 * 1024 * 1024;

/// Why the engine cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The address space is limited below what the pool reserves.
    #[error(
        "{instances} instances and {streams} streams of {} reserve {} of address space, and this process may \
         have {} (RLIMIT_AS): raise `ulimit -v`, or lower `--instances`, `--max-streams` or `--memory`",
        ByteSize(*memory), ByteSize(*needed), ByteSize(*allowed)
    )]
    AddressSpace {
        /// Instances the pool has room for.
        instances: u32,
        /// Streams that it has room for beside them.
        streams: u32,
        /// Memory of one instance.
        memory: u64,
        /// Bytes the pool reserves.
        needed: u64,
        /// Bytes the process may map.
        allowed: u64,
    },
    /// The kernel has fewer mappings for a process than the pool takes.
    #[error(
        "{sandboxes} instances and streams take {needed} mappings, and `vm.max_map_count` is {allowed}: \
         raise it with `sysctl`, or lower `--instances` or `--max-streams`"
    )]
    Maps {
        /// Sandboxes the pool has room for.
        sandboxes: u32,
        /// Mappings with which all of them could live.
        needed: u64,
        /// Mappings there are.
        allowed: u64,
    },
    /// The engine refused its configuration or could not map its pool.
    #[error("cannot set up the sandbox for {instances} instances")]
    Engine {
        /// Instances asked for.
        instances: u32,
        /// What wasmtime said.
        #[source]
        source: wasmtime::Error,
    },
    /// The component is not one that can be served.
    #[error(transparent)]
    Load(#[from] LoadError),
}

/// The engine and the component it was laid out for.
pub struct Sandbox {
    engine: Engine,
    component: Component,
    limits: Limits,
    /// Sandboxes that may be alive at once: all the pool has room for, or what the kernel has mappings for.
    pub alive_max: u32,
    /// Things worth telling the operator, none of which keeps the host from serving.
    pub warnings: Vec<String>,
}

impl Sandbox {
    /// Compiles the component in `path` and lays out a sandbox for it. Takes seconds for a large one:
    /// never to be called on the I/O runtime or on an executor thread.
    pub fn for_file(
        path: &Path,
        limits: Limits,
        admission: AdmissionConfig,
        cache: &CacheConfig,
    ) -> Result<Self, SandboxError> {
        Self::new(&Checked::from_file(path)?, limits, admission, cache)
    }

    /// The same for a component in memory.
    pub fn for_bytes(
        bytes: &[u8],
        limits: Limits,
        admission: AdmissionConfig,
        cache: &CacheConfig,
    ) -> Result<Self, SandboxError> {
        Self::new(&Checked::from_bytes(bytes.to_vec())?, limits, admission, cache)
    }

    fn new(
        checked: &Checked,
        limits: Limits,
        admission: AdmissionConfig,
        cache: &CacheConfig,
    ) -> Result<Self, SandboxError> {
        let mut shape = checked.shape;
        if shape.memory_bytes_min > limits.memory_bytes_max {
            let (needed, allowed) = (shape.memory_bytes_min, limits.memory_bytes_max);
            return Err(LoadError::MemoryMinimum { needed, allowed }.into());
        }
        let mut warnings = Vec::new();
        let cache = open_cache(cache).unwrap_or_else(|why| {
            warnings.push(format!("compiled code is not cached: {why}"));
            None
        });
        // A stream keeps its instance and leaves its place to another: both must fit.
        let instances = admission.sandboxes_max();
        let maps_max = Memory::here().maps_max();
        let compile = |shape: &Shape| -> Result<_, SandboxError> {
            check_address_space(&admission, &limits, shape)?;
            let maps = maps::plan(maps_max, instances, shape.memories).map_err(|needed| {
                let allowed = maps_max.unwrap_or_default();
                SandboxError::Maps { sandboxes: instances, needed, allowed }
            })?;
            let mut config = Config::new();
            code(&mut config, &limits);
            memory(&mut config, &limits);
            config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(instances, &limits, shape)));
            config.memory_init_cow(maps.images);
            config.cache(cache.clone());
            let engine = Engine::new(&config).map_err(|source| SandboxError::Engine { instances, source })?;
            let component = Component::from_binary(&engine, &checked.bytes).map_err(LoadError::Compile)?;
            Ok((engine, component, maps))
        };
        let (mut engine, mut component, mut maps) = compile(&shape)?;
        // The bytes say what is declared; what is instantiated more than once, only the compiler knows.
        if component.resources_required().is_some_and(|required| shape.cover(&required)) {
            (engine, component, maps) = compile(&shape)?;
        }
        if maps.alive_max < instances {
            warnings.push(format!(
                "of {instances} instances and streams {} may be alive at once: `vm.max_map_count` is {}, and {} \
                 would do for all",
                maps.alive_max,
                maps_max.unwrap_or_default(),
                maps.needed,
            ));
        }
        Ok(Self { engine, component, limits, alive_max: maps.alive_max, warnings })
    }

    /// Links the component.
    pub fn handler(&self, settings: HandlerSettings) -> Result<Handler, LoadError> {
        Handler::new(&self.engine, &self.component, self.limits, settings)
    }

    /// Advances the epoch: every running guest is asked for its budgets at its next check.
    pub fn ticker(&self) -> impl Fn() + Send + Sync + 'static {
        let engine = self.engine.clone();
        move || engine.increment_epoch()
    }
}

/// How guests are compiled.
fn code(config: &mut Config, limits: &Limits) {
    config
        .epoch_interruption(true)
        .consume_fuel(limits.fuel.is_some())
        .max_wasm_stack(limits.stack_bytes_max)
        .async_stack_size(limits.stack_bytes_max + HOST_STACK_BYTES)
        // A stack is a neighbour's memory too.
        .async_stack_zeroing(true)
        // 0.2 guests need none of it, and a tenth of a hello's time goes into it.
        .concurrency_support(false)
        .wasm_memory64(false)
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .wasm_backtrace_max_frames(std::num::NonZeroUsize::new(BACKTRACE_FRAMES_MAX));
}

/// Explicit bounds checks in place of guard pages: a slot stays mapped at its high-water mark, so
/// that an instance costs no `mprotect` (which interrupts every core), and the pool reserves
/// instances × limit in place of terabytes.
fn memory(config: &mut Config, limits: &Limits) {
    config
        .signals_based_traps(false)
        .memory_guard_size(0)
        .guard_before_linear_memory(false)
        .memory_reservation(limits.memory_bytes_max)
        .memory_reservation_for_growth(0)
        .memory_may_move(false);
}

fn pool(instances: u32, limits: &Limits, shape: &Shape) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    let elements = usize::try_from(shape.table_elements_min.max(TABLE_ELEMENTS)).unwrap_or(usize::MAX);
    let memory_bytes = usize::try_from(limits.memory_bytes_max).unwrap_or(usize::MAX);
    pool.total_component_instances(instances)
        .total_stacks(instances)
        .total_core_instances(instances.saturating_mul(CORE_INSTANCES_MAX))
        .total_memories(instances.saturating_mul(shape.memories))
        .total_tables(instances.saturating_mul(shape.tables))
        .max_core_instances_per_component(CORE_INSTANCES_MAX)
        .max_memories_per_component(CORE_INSTANCES_MAX)
        .max_tables_per_component(CORE_INSTANCES_MAX)
        .max_memories_per_module(shape.memories)
        .max_tables_per_module(shape.tables)
        .table_elements(elements)
        .max_memory_size(memory_bytes)
        .max_component_instance_size(16 * 1024 * 1024)
        .max_core_instance_size(16 * 1024 * 1024)
        .linear_memory_keep_resident(MEMORY_KEEP_RESIDENT_BYTES)
        .table_keep_resident(SMALL_KEEP_RESIDENT_BYTES)
        .async_stack_keep_resident(SMALL_KEEP_RESIDENT_BYTES)
        .pagemap_scan(Enabled::Auto);
    pool
}

/// Refuses at start what would fail at the first request or with a bare "out of memory".
fn check_address_space(
    admission: &AdmissionConfig,
    limits: &Limits,
    shape: &Shape,
) -> Result<(), SandboxError> {
    let stack = (limits.stack_bytes_max + HOST_STACK_BYTES) as u64;
    let elements = shape.table_elements_min.max(TABLE_ELEMENTS);
    let one = limits
        .memory_bytes_max
        .saturating_mul(u64::from(shape.memories))
        .saturating_add(elements.saturating_mul(8 * u64::from(shape.tables)))
        .saturating_add(stack);
    let needed =
        one.saturating_mul(u64::from(admission.sandboxes_max())).saturating_add(OTHER_ADDRESS_SPACE_BYTES);
    match rustix::process::getrlimit(rustix::process::Resource::As).current {
        Some(allowed) if allowed < needed => Err(SandboxError::AddressSpace {
            instances: admission.instances.get(),
            streams: admission.streams_max,
            memory: limits.memory_bytes_max,
            needed,
            allowed,
        }),
        Some(_) | None => Ok(()),
    }
}

/// wasmtime's own cache of compiled code, in a directory that only this user may enter: what is in
/// it is run as it is.
fn open_cache(cache: &CacheConfig) -> Result<Option<Cache>, String> {
    let directory = match cache {
        CacheConfig::Off => return Ok(None),
        CacheConfig::Directory(directory) => directory.clone(),
        CacheConfig::Default => default_cache_directory().ok_or("neither XDG_CACHE_HOME nor HOME is set")?,
    };
    let shown = directory.display();
    private_directory(&directory).map_err(|error| format!("{shown}: {error}"))?;
    let directory = directory.canonicalize().map_err(|error| format!("{shown}: {error}"))?;
    let mut config = wasmtime::CacheConfig::new();
    config.with_directory(directory);
    Cache::new(config).map(Some).map_err(|error| format!("{shown}: {error:#}"))
}

fn default_cache_directory() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")))?;
    Some(base.join("wasm-host"))
}

fn private_directory(directory: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, MetadataExt};
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let found = std::fs::metadata(directory)?;
    let refuse = |why| Err(std::io::Error::new(std::io::ErrorKind::PermissionDenied, why));
    if found.uid() != rustix::process::geteuid().as_raw() {
        return refuse(format!("it belongs to user {}, and what is in it is run", found.uid()));
    }
    if found.mode() & 0o022 != 0 {
        let mode = found.mode() & 0o777;
        return refuse(format!("others may write to it (mode {mode:o}), and what is in it is run"));
    }
    Ok(())
}
