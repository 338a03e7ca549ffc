//! Both sides of every bound, with the smallest components that reach it.

use crate::sandbox::shape::Shape;

/// What `text` is refused for, if it is.
fn refusal(text: &str) -> Option<String> {
    let bytes = wat::parse_str(text).expect("test component");
    match Shape::read(&bytes) {
        Ok(_) => None,
        Err(error) => {
            assert!(matches!(error.reason(), "too_complex" | "needs_too_much"), "{error}");
            Some(error.to_string())
        }
    }
}

/// `most` of it are taken, and one more is not.
#[track_caller]
fn check(most: usize, what: &str, text: impl Fn(usize) -> String) {
    assert_eq!(refusal(&text(most)), None, "{most} {what}");
    let refused = refusal(&text(most + 1)).unwrap_or_else(|| panic!("{} {what} are taken", most + 1));
    assert!(refused.contains(what) && refused.contains(&most.to_string()), "{refused}");
}

fn module(field: &str, count: usize) -> String {
    format!("(component (core module {}))", field.repeat(count))
}

#[test]
fn counts_hold_on_both_sides() {
    check(80_000, "functions", |count| module("(func)", count));
    check(50_000, "globals", |count| module("(global i32 (i32.const 0))", count));
    check(50_000, "imports", |count| module("(import \"\" \"\" (global i32))", count));
    check(64, "memories", |count| module("(memory 0)", count));
    check(200, "tables", |count| module("(table 0 funcref)", count));
    check(100_000, "segments", |count| module("(data)", count));
    check(500, "instances", |count| format!("(component {})", "(core instance)".repeat(count)));
    check(50_000, "types", |count| format!("(component {})", "(type u8)".repeat(count)));
    // The outermost component is one of them.
    check(200, "modules and components", |count| {
        format!("(component {})", "(core module)".repeat(count - 1))
    });
    check(50_000, "exports", |count| {
        let exports: String = (0..count).map(|at| format!("(export \"e{at}\" (func 0))")).collect();
        format!("(component (core module (func) {exports}))")
    });
}

#[test]
fn what_is_spread_over_modules_counts_together() {
    let half = format!("(core module {})", "(func)".repeat(40_001));
    let refused = refusal(&format!("(component {half} {half})")).expect("too many functions");
    assert!(refused.contains("80002 functions"), "{refused}");
}

#[test]
fn depth_holds_on_both_sides() {
    let nested = |of: &str, count: usize| format!("{}{}", format!("({of} ").repeat(count), ")".repeat(count));
    check(16, "modules and components inside each other", |depth| nested("component", depth));
    check(32, "types inside each other", |depth| {
        let (open, close) = ("(type (component ".repeat(depth), "))".repeat(depth));
        format!("(component {open}{close})")
    });
    check(32, "types inside each other", |depth| {
        let (open, close) = ("(type (instance ".repeat(depth - 1), "))".repeat(depth - 1));
        format!("(component (type (component (import \"a\" (func)) {open}{close})))")
    });
}

/// Bytes of a component that opens a type inside a type, as often as asked and without an end.
#[test]
fn types_that_never_end_do_not_take_the_stack() {
    for depth in [31, 33, 1_000_000] {
        let mut section = vec![1];
        section.extend([0x41, 1, 0x01].repeat(depth));
        let mut bytes = b"\0asm\x0d\0\x01\0\x07".to_vec();
        let mut length = section.len();
        while length >= 0x80 {
            bytes.push((length % 0x80) as u8 | 0x80);
            length /= 0x80;
        }
        bytes.push(length as u8);
        bytes.extend(section);
        let expected = if depth > 32 { "too_complex" } else { "invalid_wasm" };
        assert_eq!(Shape::read(&bytes).err().map(|error| error.reason()), Some(expected), "{depth}");
    }
}
