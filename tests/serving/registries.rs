//! Components in a real registry: pushed, pulled and served by tag and by digest, with their signatures.

use crate::harness::registry::Registry;
use crate::harness::{Server, command, guest};
use std::fs;
use std::path::PathBuf;
use std::process::Output;
use tempfile::TempDir;

const CONFIGURATION: i32 = 78;

/// A registry, and a directory with a component in it.
struct Bench {
    registry: Registry,
    directory: TempDir,
}

impl Bench {
    fn new(registry: Registry) -> Self {
        let directory = tempfile::tempdir().expect("temporary directory");
        fs::copy(guest("hello"), directory.path().join("app.wasm")).expect("guest");
        Self { registry, directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        command().args(arguments).current_dir(&self.directory).output().expect("the binary starts")
    }

    /// What a command says on standard output, without the end of the line.
    #[track_caller]
    fn say(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8").trim_end().to_owned()
    }

    /// Why a command refuses to do it.
    #[track_caller]
    fn refused(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let text = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.code(), Some(CONFIGURATION), "{text}");
        text
    }

    fn serve(&self, arguments: &[&str]) -> Server {
        let mut host = command();
        host.args(["serve", "--listen", "127.0.0.1:0"]).args(arguments).current_dir(&self.directory);
        Server::spawn(&mut host)
    }
}

#[test]
fn pushed_component_is_served_by_its_tag_and_by_its_digest() {
    let bench = Bench::new(Registry::start());
    let tagged = bench.registry.reference("team/app:1.0");
    let pinned = bench.say(&["push", "app.wasm", &tagged]);
    assert!(pinned.starts_with(&bench.registry.reference("team/app@sha256:")), "{pinned}");
    // Pushed again, it is the same.
    assert_eq!(bench.say(&["push", "app.wasm", &tagged]), pinned);
    for reference in [&tagged, &pinned] {
        assert_eq!(bench.say(&["pull", reference, "-o", "back.wasm"]), pinned);
        assert_eq!(fs::read(bench.path("back.wasm")).expect("file"), fs::read(guest("hello")).expect("file"));
        let server = bench.serve(&[reference]);
        server.client().get("/").assert_ok();
        let digest = pinned.split_once('@').expect("a digest").1;
        server.log.wait_for(&["pulled", reference, digest]);
        server.stop();
    }
}

#[test]
fn settings_file_names_components_of_registries_and_a_reload_asks_again() {
    let bench = Bench::new(Registry::start());
    let tagged = bench.registry.reference("app:latest");
    let first = bench.say(&["push", "app.wasm", &tagged]);
    fs::copy(guest("auth"), bench.path("auth.wasm")).expect("guest");
    let auth = bench.say(&["push", "auth.wasm", &bench.registry.reference("auth:1")]);
    let settings = format!(
        "env = {{ AUTH_TOKEN = \"secret\" }}\n[handlers.tag]\ncomponent = \"{tagged}\"\n\
         [handlers.pinned]\ncomponent = \"{first}\"\n\
         [handlers.closed]\ncomponent = \"{first}\"\nmiddleware = [\"{auth}\"]\n"
    );
    fs::write(bench.path("wasm-host.toml"), settings).expect("settings");
    let server = bench.serve(&[]);
    server.client().get("/tag").assert_ok();
    assert_eq!(server.client().get("/closed").status, 401);
    // Another component of the same name.
    fs::copy(guest("mixed"), bench.path("app.wasm")).expect("guest");
    let second = bench.say(&["push", "app.wasm", &tagged]);
    assert_ne!(first, second);
    server.signal("HUP");
    server.log.wait_for(&["pulled", second.split_once('@').expect("a digest").1]);
    let reloaded = server.log.wait_for(&["reloaded"]);
    assert!(reloaded.contains("loaded=\"tag\"") || reloaded.contains("loaded=tag"), "{reloaded}");
    assert_eq!(server.client().get("/tag/hello").assert_ok().text().trim(), "hello");
    server.client().get("/pinned").assert_ok();
    server.stop();
}

#[test]
fn signatures_travel_with_their_component() {
    let bench = Bench::new(Registry::start());
    let (bare, signed) = (bench.registry.reference("app:bare"), bench.registry.reference("app:signed"));
    bench.say(&["push", "app.wasm", &bare]);
    bench.say(&["keygen", "--output", "mine"]);
    bench.say(&["sign", "--key", "mine.key", "app.wasm"]);
    bench.say(&["push", "app.wasm", &signed]);
    let server = bench.serve(&[&signed, "--require-signature", "mine.pub"]);
    server.client().get("/").assert_ok();
    server.stop();
    let refused =
        bench.refused(&["serve", &bare, "--listen", "127.0.0.1:0", "--require-signature", "mine.pub"]);
    assert!(refused.contains("it has no signature"), "{refused}");
    bench.say(&["pull", &signed, "-o", "back.wasm"]);
    bench.say(&["verify", "--key", "mine.pub", "back.wasm"]);
    // Those of another component do not stay beside what has none.
    bench.say(&["pull", &bare, "-o", "back.wasm"]);
    assert!(!bench.path("back.wasm.sig").exists());
}

#[test]
fn password_of_dockers_configuration_opens_a_registry() {
    let bench = Bench::new(Registry::with_password());
    let reference = bench.registry.reference("app:1");
    let refused = bench.refused(&["push", "app.wasm", &reference]);
    assert!(refused.contains("401") && refused.contains("docker login"), "{refused}");
    let login = |password: &str| {
        use base64::Engine as _;
        let auth = base64::prelude::BASE64_STANDARD.encode(format!("tester:{password}"));
        let registry = bench.registry.address;
        let text = format!(r#"{{"auths":{{"{registry}":{{"auth":"{auth}"}}}}}}"#);
        fs::write(bench.path("config.json"), text).expect("file");
    };
    let run = |arguments: &[&str]| {
        let mut host = command();
        host.args(arguments).current_dir(&bench.directory).env("DOCKER_CONFIG", bench.directory.path());
        host.output().expect("the binary starts")
    };
    login("wrong-horse");
    let wrong = run(&["push", "app.wasm", &reference]);
    let text = String::from_utf8(wrong.stderr).expect("UTF-8");
    assert_eq!(wrong.status.code(), Some(CONFIGURATION), "{text}");
    assert!(text.contains("were shown") && !text.contains("horse"), "{text}");
    login("correct-horse");
    for arguments in [&["push", "app.wasm", &reference][..], &["pull", &reference, "-o", "back.wasm"]] {
        let output = run(arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn what_cannot_be_pushed_or_pulled_is_told() {
    let bench = Bench::new(Registry::start());
    fs::write(bench.path("text.wasm"), "hello").expect("file");
    let text = bench.refused(&["push", "text.wasm", &bench.registry.reference("app:1")]);
    assert!(text.contains("text.wasm") && text.contains("not a WebAssembly component"), "{text}");
    let pinned = bench.registry.reference(&format!("app@sha256:{}", "0".repeat(64)));
    assert!(bench.refused(&["push", "app.wasm", &pinned]).contains("name a tag"));
    let missing = bench.refused(&["pull", &bench.registry.reference("gone:1"), "-o", "gone.wasm"]);
    assert!(missing.contains("no such thing") && missing.contains("MANIFEST_UNKNOWN"), "{missing}");
    let served = bench.refused(&["serve", &bench.registry.reference("gone:1"), "--listen", "127.0.0.1:0"]);
    assert!(served.contains("cannot serve oci://") && served.contains("no such thing"), "{served}");
    for reference in ["oci://UPPER", "https://a.example/b", "oci://a.example/B"] {
        let output = bench.run(&["pull", reference, "-o", "x.wasm"]);
        assert_eq!(output.status.code(), Some(64), "{output:?}");
    }
    let output = bench.run(&["serve", "oci://a.example/B"]);
    assert_eq!(output.status.code(), Some(64), "{output:?}");
    assert!(!bench.path("gone.wasm").exists());
}
