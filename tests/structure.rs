//! The rules that the source keeps about itself: which module may know which, who may name which
//! library, and that every file says what it owns. ARCHITECTURE.md states them.

use std::fs;
use std::path::{Path, PathBuf};

/// Modules of the host from the top down. A module may use those below it, and the leaves.
const LAYERS: [&str; 8] =
    ["cli", "net", "deploy", "handlers", "admission", "executor", "sandbox", "capabilities"];
/// Modules that every other may use; they may use those to their left.
const LEAVES: [&str; 9] =
    ["digest", "stack", "outcome", "telemetry", "memory", "signature", "registry", "routing", "config"];

/// Libraries that only some files may name, and which: a prefix of the path below `host/src`.
const NAMED_BY: [(&str, &[&str]); 10] = [
    ("wasmtime", &["sandbox/", "capabilities/"]),
    ("wac_graph", &["sandbox/compose"]),
    ("hyper", &["net/", "capabilities/outbound"]),
    ("rustls", &["net/", "signature/"]),
    ("tokio_rustls", &["net/"]),
    ("ureq", &["registry/", "cli/"]),
    ("clap", &["cli/"]),
    ("anyhow", &["cli/", "main.rs"]),
    ("async_task", &["executor/"]),
    ("prometheus_client", &["net/admin/"]),
];

struct Source {
    /// Below `host/src`, with `/`.
    name: String,
    text: String,
}

impl Source {
    /// The lines that are code, without comments and strings that only mention a name.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate().map(|(index, line)| (index + 1, line));
        lines.map(|(number, line)| (number, line.split("//").next().unwrap_or_default()))
    }

    fn module(&self) -> &str {
        let first = self.name.split('/').next().unwrap_or_default();
        first.strip_suffix(".rs").unwrap_or(first)
    }
}

fn top() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().expect("host/ is below the top").to_owned()
}

fn rust_files(directory: &Path, found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    for entry in entries {
        let path = entry.expect("a directory entry").path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                rust_files(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn host_sources() -> Vec<Source> {
    let root = top().join("host/src");
    let mut paths = Vec::new();
    rust_files(&root, &mut paths);
    assert!(paths.len() > 20, "the sources were not found");
    let read = |path: PathBuf| {
        let name = path.strip_prefix(&root).expect("below the root").to_string_lossy().replace('\\', "/");
        Source { name, text: fs::read_to_string(&path).expect("a source file") }
    };
    paths.into_iter().map(read).collect()
}

/// What stands above `module`, which it must not use.
fn forbidden_for(module: &str) -> Vec<&'static str> {
    if let Some(place) = LAYERS.iter().position(|&layer| layer == module) {
        return LAYERS[..place].to_vec();
    }
    let place = LEAVES.iter().position(|&leaf| leaf == module);
    let place = place.unwrap_or_else(|| panic!("module {module} has no place: give it one in this test"));
    LAYERS.iter().chain(&LEAVES[place + 1..]).copied().collect()
}

#[test]
fn dependencies_point_one_way() {
    for source in host_sources() {
        if matches!(source.name.as_str(), "main.rs" | "lib.rs") {
            continue;
        }
        for forbidden in forbidden_for(source.module()) {
            for (number, line) in source.code() {
                let uses = line.contains(&format!("crate::{forbidden}::"))
                    || line.contains(&format!("crate::{forbidden};"));
                assert!(!uses, "{}:{number} uses {forbidden}, which is above it: {line}", source.name);
            }
        }
    }
}

#[test]
fn libraries_are_named_only_where_they_belong() {
    for source in host_sources() {
        for (library, allowed) in NAMED_BY {
            if allowed.iter().any(|prefix| source.name.starts_with(prefix)) {
                continue;
            }
            for (number, line) in source.code() {
                let named = line.match_indices(library).any(|(at, _)| {
                    let before = line[..at].chars().next_back();
                    before.is_none_or(|c| !c.is_alphanumeric() && c != '_')
                        && line[at..]
                            .split("::")
                            .next()
                            .is_some_and(|name| name == library || name.starts_with(&format!("{library}_")))
                });
                assert!(!named, "{}:{number} names {library}: {line}", source.name);
            }
        }
    }
}

/// What could cost the host itself, and the one file that may do it.
#[test]
fn what_is_dangerous_is_done_in_one_place() {
    let dangers = [
        ("unsafe {", "sandbox/deserialize.rs"),
        ("Component::deserialize", "sandbox/deserialize.rs"),
        (".precompile_component(", "sandbox/compiler/child.rs"),
        // Engines that serve have no compiler.
        (".enable_compiler(false)", "sandbox/code.rs"),
        ("Component::from_binary", "nowhere"),
        ("Component::new(", "nowhere"),
        ("Command::new(own_program", "sandbox/compiler/process.rs"),
    ];
    for source in host_sources() {
        for (danger, place) in dangers {
            for (number, line) in source.code() {
                let done = line.contains(danger) && source.name != place;
                assert!(!done, "{}:{number} does what only {place} may: {line}", source.name);
            }
        }
    }
    for (danger, place) in dangers.into_iter().filter(|(_, place)| *place != "nowhere") {
        let found = host_sources().iter().any(|source| source.name == place && source.text.contains(danger));
        assert!(found, "{place} does not do what only it may: {danger}");
    }
}

#[test]
fn every_file_opens_with_what_it_owns() {
    let mut paths = Vec::new();
    for directory in ["host/src", "xtask/src", "guest", "tests"] {
        rust_files(&top().join(directory), &mut paths);
    }
    for path in paths {
        let text = fs::read_to_string(&path).expect("a source file");
        assert!(text.starts_with("//! "), "{} does not open with what it owns", path.display());
    }
}

#[test]
fn files_hold_one_concept() {
    let long: Vec<_> = host_sources()
        .iter()
        .filter(|source| source.text.lines().count() > 400)
        .map(|source| source.name.clone())
        .collect();
    assert!(long.is_empty(), "longer than 400 lines: {long:?}");
}

#[test]
fn nothing_waits_for_the_wall_clock() {
    for source in host_sources() {
        for (number, line) in source.code() {
            assert!(!line.contains("SystemTime"), "{}:{number}: deadlines use Instant: {line}", source.name);
        }
    }
}

#[test]
fn the_readme_tells_every_setting_and_every_reason() {
    let readme = fs::read_to_string(top().join("README.md")).expect("README.md");
    for setting in wasm_host::config::SETTINGS {
        assert!(readme.contains(&format!("`{}`", setting.name)), "no setting `{}`", setting.name);
    }
    for reason in wasm_host::outcome::Reason::ALL {
        assert!(readme.contains(&format!("`{}`", reason.label())), "no reason `{}`", reason.label());
    }
    for reason in wasm_host::deploy::RefusalReason::ALL {
        assert!(readme.contains(&format!("`{}`", reason.label())), "no reason `{}`", reason.label());
    }
}
