//! How many sandboxes the kernel has mappings for. A process has `vm.max_map_count` of them, and one
//! more than that is a failed allocation somewhere, which ends the process: so the host counts before.

/// A stack and its guard page, for every sandbox the pool has room for.
const STACK_MAPS: u64 = 2;
/// A live memory: what it may use, its copy-on-write image in between, and the rest of its slot.
const MEMORY_MAPS: u64 = 4;
/// The same without an image.
const PLAIN_MEMORY_MAPS: u64 = 2;
/// What guard pages add to a live memory: what it does not have yet.
const GUARD_MAPS: u64 = 1;
/// All that is not the pool: libraries, threads, the allocator's.
const OTHER_MAPS: u64 = 4096;

/// How the pool fits into the mappings there are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Plan {
    /// Whether memories begin as copy-on-write images: the data is then not copied for each request.
    pub(super) images: bool,
    /// Sandboxes that may be alive at once.
    pub(super) alive_max: u32,
    /// Mappings with which all of them could be.
    pub(super) needed: u64,
}

/// Plans for `sandboxes` with so many memories each, none if not even the pools themselves fit. Images are
/// given up before sandboxes are. Each engine's pool may come to hold every sandbox in its turn, and what
/// it mapped for one it keeps.
pub(super) fn plan(maps_max: Option<u64>, sandboxes: u32, engines: u32, memories: u32) -> Result<Plan, u64> {
    let engines = u64::from(engines);
    let all = |memory_maps: u64| {
        let one = STACK_MAPS + memory_maps * u64::from(memories);
        OTHER_MAPS + one.saturating_mul(u64::from(sandboxes) * engines)
    };
    let maps_max = maps_max.unwrap_or(u64::MAX);
    if all(MEMORY_MAPS) <= maps_max {
        return Ok(Plan { images: true, alive_max: sandboxes, needed: all(MEMORY_MAPS) });
    }
    let needed = all(PLAIN_MEMORY_MAPS);
    let idle = OTHER_MAPS + STACK_MAPS * u64::from(sandboxes) * engines;
    let fit = maps_max.saturating_sub(idle) / (PLAIN_MEMORY_MAPS * u64::from(memories) * engines).max(1);
    match u32::try_from(fit).unwrap_or(u32::MAX).min(sandboxes) {
        0 => Err(needed),
        alive_max => Ok(Plan { images: false, alive_max, needed }),
    }
}

/// For how many sandboxes, of so many stacks and memories each, `left` mappings are enough on each of `engines`
/// engines whose memories end in guard pages.
pub(super) fn guarded(left: u64, engines: u32, stacks: u32, memories: u32) -> u32 {
    let one = STACK_MAPS * u64::from(stacks) + (MEMORY_MAPS + GUARD_MAPS) * u64::from(memories);
    u32::try_from(left / one.saturating_mul(engines.into())).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: Option<u64> = Some(65_530);

    #[track_caller]
    fn check(maps_max: Option<u64>, sandboxes: u32, memories: u32, expected: Option<(bool, u32)>) {
        let found = plan(maps_max, sandboxes, 1, memories).ok().map(|plan| (plan.images, plan.alive_max));
        assert_eq!(found, expected, "{sandboxes} of {memories} memories in {maps_max:?}");
    }

    #[test]
    fn images_are_given_up_first_and_then_sandboxes() {
        check(USUAL, 2000, 1, Some((true, 2000)));
        check(USUAL, 10_239, 1, Some((true, 10_239)));
        check(USUAL, 10_240, 1, Some((false, 10_240)));
        check(USUAL, 15_358, 1, Some((false, 15_358)));
        check(USUAL, 20_000, 1, Some((false, 10_717)));
        check(USUAL, 20_000, 2, Some((false, 5358)));
        check(USUAL, 40_000, 1, None);
        check(None, 100_000, 8, Some((true, 100_000)));
    }

    #[test]
    fn what_is_planned_fits() {
        for sandboxes in (1..40_000).step_by(97) {
            for memories in 1..5 {
                for engines in 1..5 {
                    if let Ok(plan) = plan(USUAL, sandboxes, engines, memories) {
                        let memory_maps = if plan.images { MEMORY_MAPS } else { PLAIN_MEMORY_MAPS };
                        let live = memory_maps * u64::from(memories) * u64::from(plan.alive_max);
                        let idle = STACK_MAPS * u64::from(sandboxes);
                        assert!(OTHER_MAPS + (idle + live) * u64::from(engines) <= 65_530);
                        assert!((1..=sandboxes).contains(&plan.alive_max));
                    }
                }
            }
        }
    }
}
