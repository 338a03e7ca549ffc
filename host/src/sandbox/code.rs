//! How guests are compiled: all that two processes have to agree about, so that what one of them has compiled
//! the other can run.

use super::shape::Shape;
use super::world::World;
use crate::config::{HOST_STACK_BYTES, Limits};
use crate::digest::Digest;
use cranelift_codegen::settings::{Configurable, SetResult};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::hash::{Hash as _, Hasher};
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, WasmBacktraceDetails};

/// Frames in a trap's backtrace.
const BACKTRACE_FRAMES_MAX: usize = 16;

/// What only the compiler is told in [`CodeSettings::config`], such as `native_unwind_info`: to be raised when that
/// changes, or code that was compiled before would be found in the cache.
const COMPILER_SETTINGS: u32 = 1;

/// All that a 32-bit address can name, and what the offset of an instruction may add to it unchecked.
const GUARDED_MEMORY_BYTES: u64 = 4 << 30;
const GUARD_BYTES: u64 = 32 << 20;
/// Bytes of address space that a memory takes which ends in guard pages.
pub(super) const GUARDED_SLOT_BYTES: u64 = GUARDED_MEMORY_BYTES + GUARD_BYTES;

/// In what the code of handlers differs. An engine runs code of one kind.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Kind {
    /// Whether fuel is counted.
    pub(super) fuel: bool,
    /// Whether calls are tasks that run beside others.
    pub(super) tasks: bool,
    /// Whether the processor checks accesses to memory, in place of the code.
    pub(super) guards: bool,
}

impl Kind {
    /// How many there are.
    pub(super) const COUNT: usize = 8;

    /// The kind in which a component is compiled first.
    pub(super) fn of(shape: &Shape, limits: &Limits) -> Self {
        let tasks = shape.world.is_some_and(World::runs_tasks);
        Self { fuel: limits.fuel.is_some(), tasks, guards: false }
    }

    pub(super) fn index(self) -> usize {
        usize::from(self.fuel) + 2 * usize::from(self.tasks) + 4 * usize::from(self.guards)
    }
}

/// What decides how a component is compiled.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct CodeSettings {
    /// Whether fuel is counted.
    pub(super) fuel: bool,
    /// Whether calls are tasks that run beside others.
    pub(super) tasks: bool,
    /// Whether the processor checks accesses to memory, in place of the code.
    pub(super) guards: bool,
    /// Whether memories begin as copy-on-write images.
    pub(super) images: bool,
    /// Bytes of WebAssembly stack.
    pub(super) stack_bytes_max: usize,
    /// Bytes of a memory.
    pub(super) memory_bytes_max: u64,
}

impl CodeSettings {
    /// Code that runs within `limits`, in one of the ways in which handlers differ.
    pub(super) fn new(limits: &Limits, kind: Kind, images: bool) -> Self {
        let Limits { stack_bytes_max, memory_bytes_max, .. } = *limits;
        let Kind { fuel, tasks, guards } = kind;
        Self { fuel, tasks, guards, images, stack_bytes_max, memory_bytes_max }
    }

    /// The configuration of an engine for such code. It has no pool yet: who only compiles needs none.
    ///
    /// With explicit bounds checks in place of guard pages a slot stays mapped at its high-water mark, so
    /// that an instance costs no `mprotect` (which interrupts every core), and the pool reserves
    /// instances × limit in place of terabytes. With guard pages each growth is one, and one more takes it
    /// back, but nothing is left to do at an access: what computes runs up to twice as fast.
    pub(super) fn config(&self) -> Config {
        let mut config = Config::new();
        config
            .epoch_interruption(true)
            .consume_fuel(self.fuel)
            .max_wasm_stack(self.stack_bytes_max)
            .async_stack_size(self.stack_bytes_max + HOST_STACK_BYTES)
            // A stack is a neighbour's memory too.
            .async_stack_zeroing(true)
            .concurrency_support(self.tasks)
            .wasm_memory64(false)
            .wasm_backtrace_details(WasmBacktraceDetails::Disable)
            .wasm_backtrace_max_frames(std::num::NonZeroUsize::new(BACKTRACE_FRAMES_MAX))
            // A trap is told with the functions it was in. Where in them, and tables for unwinding that nothing uses,
            // are a sixth of the code, which is read and compared with its digest at every start.
            .generate_address_map(false)
            .native_unwind_info(false)
            .signals_based_traps(self.guards)
            .memory_guard_size(self.guard_bytes())
            .guard_before_linear_memory(false)
            .memory_reservation(self.memory_reserved_bytes())
            .memory_reservation_for_growth(0)
            .memory_may_move(false)
            .memory_init_cow(self.images);
        config
    }

    /// The configuration of an engine that runs such code, in `pool`. It has no compiler: nothing that is served can
    /// have one compile, and its pages are not in memory.
    pub(super) fn runner(&self, pool: PoolingAllocationConfig) -> Config {
        let mut config = self.config();
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool)).enable_compiler(false);
        config
    }

    fn memory_reserved_bytes(&self) -> u64 {
        if self.guards { GUARDED_MEMORY_BYTES } else { self.memory_bytes_max }
    }

    fn guard_bytes(&self) -> u64 {
        if self.guards { GUARD_BYTES } else { 0 }
    }
}

/// The same for engines that run the same code: settings, system, processor and the compiler's version. Of the system and
/// the processor, and of what only the compiler is told, an engine without a compiler knows nothing.
pub(super) fn engine_digest(engine: &Engine) -> Digest {
    digest_on(&processor(), engine)
}

fn digest_on(processor: &[String], engine: &Engine) -> Digest {
    let mut hasher = Sha256Hasher(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    COMPILER_SETTINGS.hash(&mut hasher);
    (std::env::consts::OS, std::env::consts::ARCH).hash(&mut hasher);
    processor.hash(&mut hasher);
    Digest::from(<[u8; 32]>::from(hasher.0.finalize()))
}

/// What the compiler makes use of where this processor has it.
fn processor() -> Vec<String> {
    let mut abilities = Abilities(Vec::new());
    // Without what every processor of its kind has, nothing is compiled at all, and that is told then.
    let _ = cranelift_native::infer_native_flags(&mut abilities);
    abilities.0
}

/// The names of what is enabled.
struct Abilities(Vec<String>);

impl Configurable for Abilities {
    fn set(&mut self, name: &str, value: &str) -> SetResult<()> {
        self.0.push(format!("{name}={value}"));
        Ok(())
    }

    fn enable(&mut self, name: &str) -> SetResult<()> {
        self.0.push(name.to_owned());
        Ok(())
    }
}

/// What is hashed, in full: a file that was written before the process started must be found again.
struct Sha256Hasher(Sha256);

impl Hasher for Sha256Hasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let digest = self.0.clone().finalize();
        u64::from_le_bytes(std::array::from_fn(|at| digest[at]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: CodeSettings = CodeSettings {
        fuel: false,
        tasks: false,
        guards: false,
        images: true,
        stack_bytes_max: 512 * 1024,
        memory_bytes_max: 128 << 20,
    };

    fn engine(settings: CodeSettings, instances: u32) -> Engine {
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(instances).total_core_instances(instances).total_memories(instances);
        pool.total_tables(instances).total_stacks(instances).max_memory_size(64 << 20);
        Engine::new(&settings.runner(pool)).expect("an engine")
    }

    fn digest(settings: CodeSettings, instances: u32) -> Digest {
        engine_digest(&engine(settings, instances))
    }

    #[test]
    fn code_for_another_processor_is_another() {
        let engine = engine(SETTINGS, 1);
        let [plain, able] = [&[][..], &["has_avx2".to_owned()]].map(|can| digest_on(can, &engine));
        assert_ne!(plain, able);
        assert_eq!(engine_digest(&engine), digest_on(&processor(), &engine));
    }

    #[test]
    fn code_is_the_same_in_a_larger_pool_and_another_with_any_other_setting() {
        let usual = digest(SETTINGS, 1);
        assert_eq!(digest(SETTINGS, 2), usual, "how many run it is nothing to the code");
        for other in [
            CodeSettings { fuel: true, ..SETTINGS },
            CodeSettings { tasks: true, ..SETTINGS },
            CodeSettings { guards: true, ..SETTINGS },
            CodeSettings { images: false, ..SETTINGS },
            CodeSettings { memory_bytes_max: 64 << 20, ..SETTINGS },
        ] {
            assert_ne!(digest(other, 1), usual, "{other:?}");
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn code_is_for_what_the_processor_can_do() {
        let can = processor();
        let has = |name: &str| can.iter().any(|ability| ability == name);
        assert_eq!(has("has_avx2"), std::is_x86_feature_detected!("avx2"), "{can:?}");
        assert_eq!(has("has_popcnt"), std::is_x86_feature_detected!("popcnt"), "{can:?}");
    }
}
