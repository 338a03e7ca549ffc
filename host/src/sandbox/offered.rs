//! That `wit/` says exactly what the linker provides: every function of every interface that is listed
//! there is linked, and none of those that are not.

use super::linker::linker;
use super::world::World;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use wasmtime::{Config, Engine};

/// Interfaces with their versions, as imports name them, and the functions of each.
type Interfaces = BTreeMap<String, Vec<String>>;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit")
}

/// The name that `line` declares with `keyword`: `resource fields {` is one of `fields`.
fn declared<'a>(line: &'a str, keyword: &str) -> Option<&'a str> {
    let rest = line.strip_prefix(keyword)?.strip_prefix(' ')?;
    Some(rest.trim_end_matches([' ', '{', ';']).trim_start_matches('%'))
}

/// Reads the interfaces of a package, as its authors lay it out: one declaration on a line, or begun there.
/// What is still unstable is left out.
fn read(text: &str, interfaces: &mut Interfaces) {
    let (mut package, mut version) = ("", "");
    let (mut interface, mut resource, mut unstable) = (None, None, false);
    // How deep in braces a line begins.
    let mut depth = 0_usize;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")) {
        if line.starts_with('@') {
            unstable |= line.starts_with("@unstable");
            continue;
        }
        let (begins, skipped) = (depth, std::mem::take(&mut unstable));
        depth = (depth + line.matches('{').count()).saturating_sub(line.matches('}').count());
        if let Some(name) = declared(line, "package") {
            (package, version) = name.split_once('@').expect("a package with its version");
        } else if let Some(name) = declared(line, "interface").filter(|_| begins == 0) {
            interface = Some(format!("{package}/{name}@{version}"));
            interfaces.entry(format!("{package}/{name}@{version}")).or_default();
        } else if declared(line, "world").is_some() && begins == 0 {
            interface = None;
        } else if let Some(name) = declared(line, "resource") {
            resource = (depth > begins).then(|| name.to_owned());
        } else if let Some(interface) = &interface
            && let Some(name) = function(line, resource.as_deref().filter(|_| begins >= 2))
            && !skipped
        {
            interfaces.entry(interface.clone()).or_default().push(name);
        }
    }
}

/// The name by which a function is imported that `line` begins to declare.
fn function(line: &str, resource: Option<&str>) -> Option<String> {
    if line.starts_with("constructor(") {
        return Some(format!("[constructor]{}", resource?));
    }
    let (name, ty) = line.split_once(": ")?;
    let name = name.trim_start_matches('%');
    let kind = match ty.strip_prefix("static ") {
        Some(_) => "static",
        None => "method",
    };
    let ty = ty.trim_start_matches("static ").trim_start_matches("async ");
    ty.starts_with("func(").then(|| match resource {
        Some(resource) => format!("[{kind}]{resource}.{name}"),
        None => name.to_owned(),
    })
}

/// What a world of `wit/world.wit` names with `keyword`, worlds that it includes among it.
fn named(text: &str, world: &str, keyword: &str) -> BTreeSet<String> {
    let body = text.split(&format!("world {world} {{")).nth(1).expect("a world of this name");
    let lines: Vec<_> = body.split('}').next().unwrap_or_default().lines().map(str::trim).collect();
    let own = lines.iter().filter_map(|line| declared(line, keyword)).map(str::to_owned);
    let included = lines.iter().filter_map(|line| declared(line, "include"));
    own.chain(included.flat_map(|world| named(text, world, keyword))).collect()
}

fn check(name: &str, world: World) {
    let text = fs::read_to_string(directory().join("world.wit")).expect("wit/world.wit");
    let listed = named(&text, name, "import");
    let mut interfaces = Interfaces::new();
    for file in fs::read_dir(directory().join("deps")).expect("wit/deps") {
        let file = file.expect("a directory entry").path();
        read(&fs::read_to_string(&file).expect("a package"), &mut interfaces);
    }
    let unknown: Vec<_> = listed.iter().filter(|name| !interfaces.contains_key(*name)).collect();
    assert!(unknown.is_empty(), "wit/deps has no {unknown:?}");

    let engine = Engine::new(Config::new().concurrency_support(world.runs_tasks())).expect("engine");
    let mut linker = linker(&engine, world).expect("linker");
    let (mut wrong, mut functions) = (Vec::new(), 0);
    for (interface, names) in &interfaces {
        for function in names {
            // What is there already cannot be defined again.
            let mut instance = linker.instance(interface).expect("an instance");
            let linked = instance.func_wrap(function, |_, (): ()| Ok(())).is_err();
            functions += usize::from(linked);
            if linked != listed.contains(interface) {
                wrong.push(format!("{interface} {function}: linked {linked}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{name}: {wrong:#?}");
    assert!(functions > 100, "only {functions} functions: wit/ was not read");
    let exports: Vec<_> = named(&text, name, "export").iter().map(|name| World::exported_as(name)).collect();
    assert_eq!(exports, [Some(world)], "{name} exports another handler");
}

#[test]
fn what_is_listed_is_linked_and_what_is_linked_is_listed() {
    check("handler", World::P2);
    check("handler3", World::P3);
}
