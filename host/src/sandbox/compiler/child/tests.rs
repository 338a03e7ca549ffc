//! What the compiler takes, and what it says of what it does not take.

use super::*;
use crate::sandbox::code::CodeSettings;
use crate::sandbox::compiler::Vouched;
use crate::sandbox::deserialize;
use wasmtime::PoolingAllocationConfig;

fn order() -> Order {
    let code = CodeSettings {
        fuel: true,
        tasks: true,
        guards: false,
        images: true,
        stack_bytes_max: 512 * 1024,
        memory_bytes_max: 128 << 20,
    };
    Order { code, component_bytes: 0, memory_bytes_max: 1 << 31, cpu_s_max: 60, yields: false }
}

fn compiled(text: &str) -> Result<Vec<u8>, Refusal> {
    compile(&order(), &wat::parse_str(text).expect("test component"))
}

#[test]
fn what_is_compiled_here_runs_in_an_engine_of_the_same_settings_alone() {
    let code = compiled("(component (core module (func (export \"f\"))))").expect("it compiles");
    let code = Vouched::compiled(code, 0);
    let engine = |code: CodeSettings| {
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(1).total_core_instances(1).total_memories(1).total_tables(1);
        pool.total_stacks(1).max_memory_size(128 << 20);
        Engine::new(&code.runner(pool)).expect("an engine")
    };
    deserialize::load(&engine(order().code), &code).expect("the same settings");
    let other = CodeSettings { fuel: false, ..order().code };
    assert!(deserialize::load(&engine(other), &code).is_err());
}

#[test]
fn what_is_not_valid_is_told_from_what_is_only_off() {
    let invalid = compiled("(component (core module (func (result i32))))");
    assert!(matches!(&invalid, Err(Refusal::Invalid(what)) if what.contains("at byte")), "{invalid:?}");
    for (what, text) in [
        ("garbage collection", "(component (core module (type (struct (field i32)))))"),
        ("64-bit memories", "(component (core module (memory i64 1)))"),
        ("exceptions", "(component (core module (tag) (func throw 0)))"),
    ] {
        let refused = compiled(text);
        assert!(matches!(refused, Err(Refusal::Unsupported(_))), "{what}: {refused:?}");
    }
}

#[test]
fn types_that_go_on_inside_each_other_are_too_complex() {
    let lists: String = (1..200).map(|at| format!("(type (list {}))", at - 1)).collect();
    let refused = compiled(&format!("(component (type (list u8)) {lists})"));
    assert!(matches!(refused, Err(Refusal::TooComplex(_))), "{refused:?}");
}
