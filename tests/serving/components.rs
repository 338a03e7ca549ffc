//! What is served and what is refused: components of several languages on one side, everything that
//! an upload can be instead on the other.

use crate::harness::{Server, command, component, guest};
use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tempfile::TempDir;

/// Files with one bit flipped, each of which is a start of the binary.
const FLIPS: usize = 48;

/// What the binary said when it refused the component, or that it did not.
#[derive(Debug)]
enum Verdict {
    Served,
    Refused { code: Option<i32>, text: String },
}

fn verdict(path: &Path) -> Verdict {
    let mut host = command();
    host.arg(path).args(["--listen", "127.0.0.1:0", "--instances", "2", "--cache", "off"]);
    let mut child = host.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the binary starts");
    let mut stderr = BufReader::new(child.stderr.take().expect("piped"));
    let mut text = String::new();
    stderr.read_line(&mut text).expect("messages are UTF-8");
    if text.starts_with("Serving HTTP on ") {
        let _ = child.kill();
        let _ = child.wait();
        return Verdict::Served;
    }
    stderr.read_to_string(&mut text).expect("messages are UTF-8");
    Verdict::Refused { code: child.wait().expect("the binary ends").code(), text }
}

/// The message of a refusal, which names the file and is all there is to say.
#[track_caller]
fn refused(path: &Path) -> String {
    let Verdict::Refused { code, text } = verdict(path) else { panic!("served: {}", path.display()) };
    message_of(path, code, &text)
}

#[track_caller]
fn message_of(path: &Path, code: Option<i32>, text: &str) -> String {
    assert_eq!(code, Some(78), "{text}");
    let message =
        text.strip_prefix(&format!("error: cannot serve {}\n", path.display())).unwrap_or_else(|| {
            panic!("not what is said about a component: {text}");
        });
    assert!(message.starts_with("  cause: ") && !message.contains("panicked"), "{text}");
    message.to_owned()
}

fn hello() -> Vec<u8> {
    std::fs::read(guest("hello")).expect("guest")
}

/// A file with these bytes, in a directory that must outlive it.
fn file(directory: &TempDir, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = directory.path().join(name);
    std::fs::write(&path, bytes).expect("temporary file");
    path
}

/// Numbers that look random, from a seed that is printed (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

#[test]
fn component_that_imports_the_environment_answers() {
    let bytes = std::fs::read(guest("env")).expect("guest");
    let import = b"wasi:cli/environment@0.2";
    assert!(bytes.windows(import.len()).any(|window| window == import), "the import this is about");
    let server = Server::start(&guest("env"), &[]);
    assert!(server.client().get("/").assert_ok().text().starts_with("environment 0\narguments 0\n"));
}

#[test]
fn cache_that_others_may_write_to_is_not_used() {
    use std::os::unix::fs::PermissionsExt;
    let cache = tempfile::tempdir().expect("temporary directory");
    std::fs::set_permissions(cache.path(), std::fs::Permissions::from_mode(0o777)).expect("chmod");
    let path = cache.path().to_str().expect("UTF-8");
    let server = Server::start(&guest("hello"), &["--cache", path]);
    server.log.wait_for(&["WARN", "compiled code is not cached", path, "777"]);
    server.client().get("/").assert_ok();
    assert_eq!(std::fs::read_dir(cache.path()).expect("directory").count(), 0);
}

/// Row 84: every kind of wrong file has a message of its own.
#[test]
fn each_kind_of_wrong_file_has_its_own_message() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let mut numbers = Numbers(84);
    let random: Vec<u8> = (0..4096).map(|_| numbers.next() as u8).collect();
    let module = wat::parse_str("(module (memory 1))").expect("test module");
    let precompiled = wasmtime::Engine::default().precompile_component(&hello()).expect("compiles");
    let kinds: [(&str, &[u8], &str); 8] = [
        ("empty", b"", "is empty"),
        ("text", b"<html>404 not found</html>\n", "a text file"),
        ("wat", b"(component)\n", "WebAssembly text"),
        ("random", &random, "it begins with"),
        ("module", &module, "a core module"),
        ("cut", &hello()[..hello().len() / 2], "broken at byte"),
        ("cwasm", &precompiled, "compiled code (.cwasm)"),
        ("nothing", b"\0asm\x0d\0\x01\0", "exports nothing"),
    ];
    let mut messages = HashSet::new();
    for (name, bytes, part) in kinds {
        let message = refused(&file(&directory, name, bytes));
        assert!(message.contains(part), "{name}: {message}");
        println!("{name}: {}", message.trim());
        assert!(messages.insert(message), "{name}: said before");
    }
}

/// Row 85: compiled code cannot be checked, so it is not loaded, whatever made it.
#[test]
fn compiled_code_is_never_loaded() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let engine = wasmtime::Engine::default();
    let component = engine.precompile_component(&hello()).expect("compiles");
    let module = engine.precompile_module(b"\0asm\x01\0\0\0").expect("compiles");
    for (name, bytes) in [("component.wasm", component), ("module.wasm", module)] {
        let message = refused(&file(&directory, name, bytes));
        assert!(message.contains("never loaded because it cannot be checked"), "{message}");
    }
}

/// Row 84: wherever a file ends early, it is refused with the place.
#[test]
fn truncated_component_is_refused_wherever_it_ends() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let (whole, mut numbers) = (hello(), Numbers(1));
    for round in 0..24 {
        let length = numbers.below(whole.len() - 8) + 8;
        let path = file(&directory, "cut.wasm", &whole[..length]);
        let message = refused(&path);
        // What ends between two sections is a component, though one that exports nothing.
        let told = message.contains("broken at byte") || message.contains("exports");
        assert!(told, "seed 1, round {round}, {length} bytes: {message}");
    }
}

/// Row 84: a flipped bit is either refused with a message or part of a component that still is one.
#[test]
fn flipped_bits_never_bring_the_host_down() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let whole = std::fs::read(guest("spin")).expect("guest");
    let (mut numbers, mut served) = (Numbers(2), 0);
    for _ in 0..FLIPS {
        let (at, bit) = (numbers.below(whole.len()), numbers.below(8));
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << bit;
        let path = file(&directory, &format!("byte-{at}-bit-{bit}.wasm"), &flipped);
        match verdict(&path) {
            Verdict::Served => served += 1,
            Verdict::Refused { code, text } => drop(message_of(&path, code, &text)),
        }
    }
    println!("seed 2: {served} of {FLIPS} flipped files are components still, the others were refused");
}

#[test]
fn component_that_is_no_handler_is_told_what_it_is() {
    let command = refused(Path::new(&component("command")));
    assert!(command.contains("wasi:http/incoming-handler") && command.contains("a command"), "{command}");
    let ungranted = refused(Path::new(&component("ungranted")));
    for import in ["wasi:keyvalue/store@0.2.0-draft", "acme:telemetry/sink@1.0.0"] {
        assert!(ungranted.contains(import), "{ungranted}");
    }
    let huge = refused(Path::new(&component("huge_minimum")));
    assert!(huge.contains("4.0 GiB") && huge.contains("--memory"), "{huge}");
}
