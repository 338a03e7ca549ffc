//! What can be put in front of what, and what is said where it cannot.

use super::*;

fn part(name: &str, text: &str) -> Part {
    Part { name: name.to_owned(), bytes: wat::parse_str(text).expect("test component") }
}

fn handler(interface: &str) -> Part {
    let text = format!(
        r#"(component
            (core module $m (func (export "handle")))
            (core instance $i (instantiate $m))
            (func $handle (canon lift (core func $i "handle")))
            (instance $handler (export "handle" (func $handle)))
            (export "{interface}" (instance $handler)))"#
    );
    part("app.wasm", &text)
}

fn middleware(name: &str, interface: &str, params: &str) -> Part {
    let text = format!(
        r#"(component
            (import "{interface}" (instance $next (export "handle" (func {params}))))
            (core func $lowered (canon lower (func $next "handle")))
            (core module $m
                (import "next" "handle" (func $next (param {core})))
                (func (export "handle") unreachable))
            (core instance $next (export "handle" (func $lowered)))
            (core instance $i (instantiate $m (with "next" (instance $next))))
            (func $handle (canon lift (core func $i "handle")))
            (instance $handler (export "handle" (func $handle)))
            (export "{interface}" (instance $handler)))"#,
        core = if params.is_empty() { "" } else { "i32" },
    );
    part(name, &text)
}

/// The names a component exports and imports.
fn world(bytes: &[u8]) -> (Vec<String>, Vec<String>) {
    let mut composition = Composition { graph: CompositionGraph::new(), parts: 0 };
    let part = Part { name: "composed".to_owned(), bytes: bytes.to_vec() };
    let (_, package) = composition.register(part).expect("a whole component");
    (composition.exports(package), composition.imports(package))
}

fn refusal(middleware: Vec<Part>, handler: Part) -> String {
    let error = compose(middleware, handler).expect_err("refused");
    chain(&error)
}

const NEW: &str = "wasi:http/incoming-handler@0.2.12";
const OLD: &str = "wasi:http/incoming-handler@0.2.3";
const THIRD: &str = "wasi:http/handler@0.3.0";

#[test]
fn without_middleware_the_handler_is_as_it_was() {
    let handler = handler(NEW);
    assert_eq!(compose(Vec::new(), handler.clone()).expect("nothing to do"), handler.bytes);
    let text = Part { name: "app.wasm".to_owned(), bytes: b"anything".to_vec() };
    assert_eq!(compose(Vec::new(), text).expect("nothing to do"), b"anything");
}

#[test]
fn each_layer_gets_the_one_behind_it_and_nothing_is_left_to_import() {
    for interface in [NEW, THIRD] {
        for layers in [1, 2, MIDDLEWARE_MAX] {
            let middleware = vec![middleware("auth.wasm", interface, ""); layers];
            let composed = compose(middleware, handler(interface)).expect("they fit");
            assert_eq!(world(&composed), (vec![interface.to_owned()], Vec::new()), "{layers} of {interface}");
        }
    }
}

#[test]
fn compatible_versions_go_together_and_the_outermost_names_the_whole() {
    for (outer, inner) in [(NEW, OLD), (OLD, NEW)] {
        let composed = compose(vec![middleware("auth.wasm", outer, "")], handler(inner)).expect("they fit");
        assert_eq!(world(&composed), (vec![outer.to_owned()], Vec::new()));
    }
}

#[test]
fn what_does_not_fit_is_told_with_what_was_found() {
    let auth = |interface| vec![middleware("auth.wasm", interface, "")];
    let two = vec![middleware("a.wasm", THIRD, ""), middleware("b.wasm", NEW, "")];
    let other = part(
        "app.wasm",
        r#"(component (core module) (component $c) (export "wasi:cli/run@0.2.0" (component $c)))"#,
    );
    let cases: [(Vec<Part>, Part, &[&str]); 7] = [
        (auth(THIRD), handler(NEW), &["auth.wasm", THIRD, "app.wasm", NEW, "same version"]),
        (two, handler(NEW), &["a.wasm", THIRD, "b.wasm", NEW, "same version"]),
        (vec![handler(NEW)], handler(NEW), &["app.wasm is no middleware", NEW, "imports nothing"]),
        (auth(NEW), other, &["app.wasm exports no wasi:http handler", "wasi:cli/run@0.2.0"]),
        (
            vec![middleware("auth.wasm", NEW, "(param \"x\" u32)")],
            handler(NEW),
            &["auth.wasm does not fit in front of app.wasm"],
        ),
        (vec![part("auth.wasm", "(module)")], handler(NEW), &["auth.wasm", "core module"]),
        (auth(NEW), part("app.wasm", "(module)"), &["app.wasm", "core module"]),
    ];
    for (middleware, handler, words) in cases {
        let text = refusal(middleware, handler);
        for word in words {
            assert!(text.contains(word), "no {word:?}: {text}");
        }
    }
}

#[test]
fn number_of_layers_is_bounded() {
    let layers = vec![middleware("auth.wasm", NEW, ""); MIDDLEWARE_MAX + 1];
    assert!(refusal(layers, handler(NEW)).contains("17 components"));
}

#[test]
fn broken_component_is_told_apart_wherever_it_ends() {
    let whole = middleware("auth.wasm", NEW, "");
    let mut refused = 0;
    for length in 0..whole.bytes.len() {
        let cut = Part { name: whole.name.clone(), bytes: whole.bytes[..length].to_vec() };
        match compose(vec![cut], handler(NEW)) {
            Err(error) => {
                refused += 1;
                assert!(chain(&error).contains("auth.wasm"), "{length}: {error}");
            }
            // Cut before a section that only names things, what is left is whole.
            Ok(composed) => assert_eq!(world(&composed), (vec![NEW.to_owned()], Vec::new()), "{length}"),
        }
    }
    assert!(refused > whole.bytes.len() / 2, "{refused} of {}", whole.bytes.len());
}
