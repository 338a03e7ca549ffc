//! How the pools of all engines are laid out, and whether the machine has what that takes: decided once,
//! before the first engine is made, with room for handlers that come later where there is room.

use super::code::GUARDED_SLOT_BYTES;
use super::component::LoadError;
use super::maps;
use super::shape::Shape;
use crate::config::{AdmissionConfig, HOST_STACK_BYTES, Limits};
use crate::memory::Memory;
use bytesize::ByteSize;
use wasmtime::{Enabled, PoolingAllocationConfig};

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
/// What there is room for beyond what the first handlers need, if the machine has it: what components of
/// every language come with.
const USUAL_MEMORIES: u32 = 2;
const USUAL_TABLES: u32 = 8;
/// Engines whose memories end in guard pages: for handlers of WASI 0.2 and of 0.3, with and without fuel.
const GUARDED_ENGINES: u32 = 4;
/// Sandboxes that run such code at once: what computes has no use for many more than there are cores.
const GUARDED_SANDBOXES_MAX: u32 = 256;
/// Stacks for each of them: a component of WASI 0.3 takes one more for each component that it is composed of. The
/// other pools have as many to spare as there may be streams.
const GUARDED_STACKS: u32 = 4;

/// What the machine lacks for a sandbox.
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
}

/// The layout of the pools: each engine has one like the others, since any of them may have to hold every
/// sandbox there is a permit for.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    limits: Limits,
    sandboxes: u32,
    /// The largest component that fits.
    shape: Shape,
    /// Engines there is room for.
    pub(super) engines_max: u32,
    /// Sandboxes that may be alive at once on engines whose memories end in guard pages.
    pub(super) guarded_max: u32,
    maps: maps::Plan,
    maps_max: Option<u64>,
}

impl Layout {
    /// Lays out for components of up to `shape` on `engines` engines, and for more of both where that
    /// takes nothing from the number of sandboxes.
    pub(super) fn plan(
        admission: &AdmissionConfig,
        limits: &Limits,
        shape: Shape,
        engines: u32,
        engines_usual: u32,
    ) -> Result<Self, SandboxError> {
        let usual = Shape {
            memories: shape.memories.max(USUAL_MEMORIES),
            tables: shape.tables.max(USUAL_TABLES),
            ..shape
        };
        let engines_usual = engines_usual.max(engines);
        for (shape, engines) in [(usual, engines_usual), (shape, engines_usual), (usual, engines)] {
            if let Ok(layout) = Self::exactly(admission, limits, shape, engines)
                && layout.maps.images
                && layout.alive_max() == layout.sandboxes
            {
                return Ok(layout);
            }
        }
        Self::exactly(admission, limits, shape, engines)
    }

    fn exactly(
        admission: &AdmissionConfig,
        limits: &Limits,
        shape: Shape,
        engines: u32,
    ) -> Result<Self, SandboxError> {
        // A stream keeps its instance and leaves its place to another: both must fit.
        let sandboxes = admission.sandboxes_max();
        let space_left = check_address_space(admission, limits, &shape, engines)?;
        let maps_max = Memory::here().maps_max();
        let maps = maps::plan(maps_max, sandboxes, engines, shape.memories).map_err(|needed| {
            let allowed = maps_max.unwrap_or_default();
            SandboxError::Maps { sandboxes, needed, allowed }
        })?;
        let maps_left = maps_max.unwrap_or(u64::MAX).saturating_sub(maps.needed);
        let guarded_max = guarded(limits, &shape, space_left, maps_left).min(sandboxes);
        Ok(Self { limits: *limits, sandboxes, shape, engines_max: engines, guarded_max, maps, maps_max })
    }

    /// Sandboxes that may be alive at once.
    pub(super) fn alive_max(&self) -> u32 {
        self.maps.alive_max
    }

    /// Whether memories begin as copy-on-write images.
    pub(super) fn images(&self) -> bool {
        self.maps.images
    }

    /// What to tell the operator of a layout that has less than was asked for.
    pub(super) fn warning(&self) -> Option<String> {
        (self.alive_max() < self.sandboxes).then(|| {
            format!(
                "of {} instances and streams {} may be alive at once: `vm.max_map_count` is {}, and {} would \
                 do for all",
                self.sandboxes,
                self.alive_max(),
                self.maps_max.unwrap_or_default(),
                self.maps.needed,
            )
        })
    }

    /// Refuses a component that does not fit.
    pub(super) fn check(&self, needed: &Shape) -> Result<(), LoadError> {
        let there_is = &self.shape;
        let elements = there_is.table_elements_min.max(TABLE_ELEMENTS);
        match needed.memories <= there_is.memories
            && needed.tables <= there_is.tables
            && needed.table_elements_min <= elements
        {
            true => Ok(()),
            false => Err(LoadError::Room {
                needed: *needed,
                there_is: Shape { table_elements_min: elements, ..*there_is },
            }),
        }
    }

    /// The pool of one engine, whose memories end in guard pages or not.
    pub(super) fn pool(&self, guards: bool) -> PoolingAllocationConfig {
        let (instances, stacks) = match guards {
            true => (self.guarded_max, self.guarded_max.saturating_mul(GUARDED_STACKS)),
            false => (self.sandboxes, self.sandboxes),
        };
        let (limits, shape) = (&self.limits, &self.shape);
        let mut pool = PoolingAllocationConfig::new();
        let elements = usize::try_from(shape.table_elements_min.max(TABLE_ELEMENTS)).unwrap_or(usize::MAX);
        let memory_bytes = usize::try_from(limits.memory_bytes_max).unwrap_or(usize::MAX);
        pool.total_component_instances(instances)
            .total_stacks(stacks)
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
}

/// Refuses at start what would fail at the first request or with a bare "out of memory". Returns what is left.
fn check_address_space(
    admission: &AdmissionConfig,
    limits: &Limits,
    shape: &Shape,
    engines: u32,
) -> Result<u64, SandboxError> {
    let needed = sandbox_space(limits.memory_bytes_max, 1, limits, shape)
        .saturating_mul(u64::from(admission.sandboxes_max()) * u64::from(engines))
        .saturating_add(OTHER_ADDRESS_SPACE_BYTES);
    match rustix::process::getrlimit(rustix::process::Resource::As).current {
        Some(allowed) if allowed < needed => Err(SandboxError::AddressSpace {
            instances: admission.instances.get(),
            streams: admission.streams_max,
            memory: limits.memory_bytes_max,
            needed,
            allowed,
        }),
        Some(allowed) => Ok(allowed - needed),
        None => Ok(u64::MAX),
    }
}

/// Sandboxes that each engine whose memories end in guard pages has room for, in what the others leave.
fn guarded(limits: &Limits, shape: &Shape, space_left: u64, maps_left: u64) -> u32 {
    let space = sandbox_space(GUARDED_SLOT_BYTES, GUARDED_STACKS, limits, shape);
    // Where it is limited, half of what is left stays for whatever else the process comes to map.
    let in_space = space_left / 2 / space.saturating_mul(GUARDED_ENGINES.into());
    let in_maps = maps::guarded(maps_left, GUARDED_ENGINES, GUARDED_STACKS, shape.memories);
    in_maps.min(u32::try_from(in_space).unwrap_or(u32::MAX)).min(GUARDED_SANDBOXES_MAX)
}

/// Bytes of address space that a sandbox takes, with this much for each of its memories and so many stacks.
fn sandbox_space(memory_bytes: u64, stacks: u32, limits: &Limits, shape: &Shape) -> u64 {
    let stack = (limits.stack_bytes_max + HOST_STACK_BYTES) as u64;
    let elements = shape.table_elements_min.max(TABLE_ELEMENTS);
    memory_bytes
        .saturating_mul(u64::from(shape.memories))
        .saturating_add(elements.saturating_mul(8 * u64::from(shape.tables)))
        .saturating_add(stack.saturating_mul(stacks.into()))
}
