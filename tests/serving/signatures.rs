//! Who vouches for what is served: keys, signatures, and the refusal of everything that lacks one.

use crate::harness::{Server, command, guest, run};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

const CONFIGURATION: i32 = 78;

/// A directory with a component and a key of its own.
struct Bench {
    directory: TempDir,
}

impl Bench {
    fn new() -> Self {
        let bench = Self { directory: tempfile::tempdir().expect("temporary directory") };
        std::fs::copy(guest("hello"), bench.path("app.wasm")).expect("guest");
        assert!(bench.run(&["keygen", "--output", "mine"]).status.success());
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        command().args(arguments).current_dir(&self.directory).output().expect("the binary starts")
    }

    #[track_caller]
    fn sign(&self) {
        let output = self.run(&["sign", "--key", "mine.key", "app.wasm"]);
        assert!(output.status.success(), "{output:?}");
    }

    #[track_caller]
    fn refused(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let text = String::from_utf8(output.stderr).expect("messages are UTF-8");
        assert_eq!(output.status.code(), Some(CONFIGURATION), "{text}");
        assert!(!text.contains("Serving HTTP") && !text.contains("panicked"), "{text}");
        text
    }
}

const SERVE: [&str; 6] = ["serve", "app.wasm", "--listen", "127.0.0.1:0", "--require-signature", "mine.pub"];

#[test]
fn signed_component_is_served() {
    let bench = Bench::new();
    bench.sign();
    assert!(bench.run(&["verify", "--key", "mine.pub", "app.wasm"]).status.success());
    let server = Server::spawn(command().args(SERVE).current_dir(&bench.directory));
    server.client().get("/").assert_ok();
    server.stop();
}

#[test]
fn component_without_a_good_signature_is_refused_before_anything_looks_into_it() {
    let bench = Bench::new();
    let unsigned = bench.refused(&SERVE);
    assert!(unsigned.contains("cannot serve app.wasm") && unsigned.contains("wasm-host sign"), "{unsigned}");
    bench.sign();
    // What was signed is no component any more: the signature is what is complained of.
    std::fs::write(bench.path("app.wasm"), "no component at all").expect("file");
    let changed = bench.refused(&SERVE);
    assert!(changed.contains("for another component") && !changed.contains("text file"), "{changed}");
    assert!(bench.refused(&["verify", "--key", "mine.pub", "app.wasm"]).contains("for another component"));
}

#[test]
fn signature_of_an_unknown_key_is_refused_and_names_the_keys() {
    let bench = Bench::new();
    bench.sign();
    assert!(bench.run(&["keygen", "--output", "other"]).status.success());
    let other = ["serve", "app.wasm", "--require-signature", "other.pub"];
    let text = bench.refused(&other);
    assert!(text.contains("it is signed by key ") && text.contains("accepted are only key "), "{text}");
    // Signed by both, either is enough.
    assert!(bench.run(&["sign", "--key", "other.key", "app.wasm"]).status.success());
    for key in ["mine.pub", "other.pub"] {
        assert!(bench.run(&["verify", "--key", key, "app.wasm"]).status.success(), "{key}");
    }
}

#[test]
fn every_flipped_bit_of_a_signature_is_refused() {
    let bench = Bench::new();
    bench.sign();
    let path = bench.path("app.wasm.sig");
    let text = std::fs::read_to_string(&path).expect("signature");
    let (before, rest) = text.split_once("\"signature\": \"").expect("a signature");
    let (signature, after) = rest.split_once('"').expect("its end");
    // The last two characters hold bits that mean nothing, which base64 refuses by itself.
    for at in (0..signature.len()).step_by(7) {
        let mut flipped = signature.as_bytes().to_vec();
        flipped[at] = if flipped[at] == b'A' { b'B' } else { b'A' };
        let flipped = String::from_utf8(flipped).expect("ASCII");
        std::fs::write(&path, format!("{before}\"signature\": \"{flipped}\"{after}")).expect("file");
        let text = bench.refused(&["verify", "--key", "mine.pub", "app.wasm"]);
        assert!(text.contains("is false") || text.contains("base64"), "character {at}: {text}");
    }
}

#[test]
fn the_setting_is_a_key_of_the_file_and_a_variable() {
    let bench = Bench::new();
    let file = "component = \"app.wasm\"\nrequire-signature = [\"mine.pub\"]\n";
    std::fs::write(bench.path("wasm-host.toml"), file).expect("settings");
    assert!(bench.refused(&[]).contains("it has no signature"));
    std::fs::remove_file(bench.path("wasm-host.toml")).expect("settings");
    let mut host = command();
    host.args(["serve", "app.wasm"]).current_dir(&bench.directory);
    let output = host.env("WASM_HOST_REQUIRE_SIGNATURE", "mine.pub").output().expect("the binary starts");
    assert_eq!(output.status.code(), Some(CONFIGURATION), "{output:?}");
    assert!(bench.refused(&["serve", "app.wasm", "--require-signature", "gone.pub"]).contains("gone.pub"));
}

/// The format is documented so that others can check it: openssl does.
#[test]
fn openssl_makes_keys_and_verifies_signatures() {
    let openssl = |bench: &Bench, arguments: &[&str]| -> Option<bool> {
        let output = Command::new("openssl").args(arguments).current_dir(&bench.directory).output().ok()?;
        Some(output.status.success())
    };
    let bench = Bench::new();
    std::fs::remove_file(bench.path("mine.key")).expect("key");
    let made = openssl(&bench, &["genpkey", "-algorithm", "ed25519", "-out", "mine.key"]);
    if made.is_none() {
        return println!("skipped: openssl is not installed");
    }
    assert_eq!(openssl(&bench, &["pkey", "-in", "mine.key", "-pubout", "-out", "mine.pub"]), Some(true));
    bench.sign();
    assert!(bench.run(&["verify", "--key", "mine.pub", "app.wasm"]).status.success());
    let document = std::fs::read(bench.path("app.wasm.sig")).expect("signature");
    let document: serde_json::Value = serde_json::from_slice(&document).expect("JSON");
    let digest = document["digest"].as_str().expect("a digest");
    std::fs::write(bench.path("message"), format!("wasm-host component signature v1\n{digest}\n"))
        .expect("file");
    let signature = document["signatures"][0]["signature"].as_str().expect("a signature");
    std::fs::write(bench.path("signature.b64"), format!("{signature}\n")).expect("file");
    let decode = ["base64", "-d", "-A", "-in", "signature.b64", "-out", "signature.bin"];
    assert_eq!(openssl(&bench, &decode), Some(true));
    let verify = "pkeyutl -verify -pubin -inkey mine.pub -rawin -in message -sigfile signature.bin";
    assert_eq!(openssl(&bench, &verify.split(' ').collect::<Vec<_>>()), Some(true));
}

#[test]
fn help_of_each_command_stands_by_itself() {
    for tool in ["keygen", "sign", "verify"] {
        let output = run(&[tool, "--help"]);
        assert_eq!(output.status.code(), Some(0));
        let help = String::from_utf8(output.stdout).expect("UTF-8");
        assert!(help.contains(&format!("wasm-host {tool}")) && !help.contains("--instances"), "{help}");
    }
    let missing = run(&["sign", "--key", "/nowhere/a.key", "/nowhere/app.wasm"]);
    let text = String::from_utf8(missing.stderr).expect("UTF-8");
    assert_eq!(missing.status.code(), Some(CONFIGURATION), "{text}");
    assert!(text.contains(&*Path::new("/nowhere/a.key").to_string_lossy()), "{text}");
}
