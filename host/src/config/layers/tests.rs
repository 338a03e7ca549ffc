//! Precedence, and that no layer's mistake hides another's.

use std::fs;
use std::os::unix::ffi::OsStringExt;

use proptest::prelude::*;

use super::*;

/// A start in a directory of its own.
#[derive(Default)]
struct Start {
    flags: Flags,
    environment: Vec<(OsString, OsString)>,
    file: String,
}

impl Start {
    fn flag(mut self, name: &str, values: &[&str]) -> Self {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        self.flags.settings.push((Setting::find(name).unwrap(), values));
        self
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    fn file(mut self, text: &str) -> Self {
        self.file = text.to_owned();
        self
    }

    fn resolve(self) -> Result<(Config, Vec<String>), String> {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("wasm-host.toml"), &self.file).unwrap();
        fs::write(directory.path().join("app.wasm"), "").unwrap();
        let prefix = format!("{}/", directory.path().display());
        let (flags, environment) = (self.flags, self.environment);
        Sources { flags, environment, directory: directory.path().to_owned() }
            .resolve()
            .map_err(|mistakes| mistakes.to_string().replace(&prefix, ""))
    }

    fn config(self) -> Config {
        self.resolve().unwrap().0
    }
}

fn timeout_ms(start: Start) -> u128 {
    start.config().limits.timeout.as_millis()
}

#[test]
fn flag_beats_environment_beats_file_beats_default() {
    let file = || Start::default().file("timeout = \"3ms\"");
    let environment = || file().variable("WASM_HOST_TIMEOUT", "2ms");
    assert_eq!(timeout_ms(environment().flag("timeout", &["1ms"])), 1);
    assert_eq!(timeout_ms(environment()), 2);
    assert_eq!(timeout_ms(file()), 3);
    assert_eq!(timeout_ms(Start::default()), 30_000);
}

#[test]
fn list_replaces_the_list_of_a_lower_layer() {
    let file = || Start::default().file("allow-outbound = [\"a:1\", \"b:2\"]\n[env]\nA = \"1\"");
    let hosts = |start: Start| -> Vec<String> {
        start.config().grants.outbound.into_iter().map(|destination| destination.host).collect()
    };
    assert_eq!(hosts(file()), ["a", "b"]);
    assert_eq!(hosts(file().flag("allow-outbound", &["c:3"])), ["c"]);
    assert_eq!(hosts(file().variable("WASM_HOST_ALLOW_OUTBOUND", "d:4, e:5,")), ["d", "e"]);
    assert!(hosts(file().variable("WASM_HOST_ALLOW_OUTBOUND", "")).is_empty());
    assert_eq!(file().config().grants.env, [("A".to_owned(), "1".to_owned())]);
}

#[test]
fn every_mistake_is_reported_together() {
    let mut start = Start::default()
        .file("instances = 0\nqueu = 1\nenv = [\"A=1\", \"A=2\"]\n")
        .variable("WASM_HOST_MEMORY", "1KiB")
        .flag("timeout", &["30"]);
    start.flags.component = Some("gone.wasm".into());
    assert_eq!(
        start.resolve().unwrap_err(),
        "command line: `--timeout` is 30: expected a duration with its unit, from 1ms to 1day\n  \
         fix: write `--timeout 30s`\n\
         environment: `WASM_HOST_MEMORY` is \"1KiB\": expected a size from 64KiB to 4GiB\n  \
         fix: write `WASM_HOST_MEMORY=128MiB`\n\
         wasm-host.toml:1:13: `instances` is 0: expected a whole number from 1 to 100000, or `auto`\n  \
         fix: write `instances = 1000`\n\
         wasm-host.toml:2:1: unknown key \"queu\"\n  \
         fix: did you mean `queue`?\n\
         wasm-host.toml:3:15: `env` is \"A=…\": expected `A` only once\n  \
         fix: write `env = [\"NAME=VALUE\"]`\n\
         gone.wasm: no such file or directory\n  \
         fix: name a component (a .wasm file) or a directory that holds one\n\
         6 mistakes, nothing was started"
    );
}

#[test]
fn hidden_value_is_checked_too() {
    let start = Start::default().file("timeout = \"soon\"").flag("timeout", &["1s"]);
    assert!(start.resolve().unwrap_err().starts_with("wasm-host.toml:1:11: "));
}

#[test]
fn concurrency_follows_instances_and_cannot_exceed_them() {
    assert_eq!(Start::default().flag("instances", &["8"]).config().admission.concurrency.get(), 8);
    let file = || Start::default().file("concurrency = 9");
    assert_eq!(file().flag("instances", &["9"]).config().admission.concurrency.get(), 9);
    let report = file().flag("instances", &["8"]).resolve().unwrap_err();
    assert_eq!(
        report,
        "wasm-host.toml:1:15: `concurrency` is 9, which is more than `instances` (8)\n  \
         fix: write `concurrency = 8`, or raise `instances`"
    );
}

#[test]
fn unknown_variable_is_a_warning_and_no_mistake() {
    let start = Start::default()
        .variable("WASM_HOST_TIMEOUTS", "1s")
        .variable("WASM_HOST_ENV", "A=1")
        .variable("WASM_HOST_ZEBRA_COLOUR", "white")
        .variable("HOME", "/");
    assert_eq!(
        start.resolve().unwrap().1,
        [
            "`WASM_HOST_ENV` is ignored: set `--env` or the key `env` instead",
            "`WASM_HOST_TIMEOUTS` is ignored: did you mean `WASM_HOST_TIMEOUT`?",
            "`WASM_HOST_ZEBRA_COLOUR` is ignored: there is no such setting",
        ]
    );
}

#[test]
fn value_that_is_not_text_is_a_mistake() {
    let mut start = Start::default();
    start.environment.push(("WASM_HOST_TIMEOUT".into(), OsString::from_vec(vec![0xff])));
    assert!(start.resolve().unwrap_err().contains("`WASM_HOST_TIMEOUT` is not UTF-8"));
}

#[test]
fn component_argument_beats_the_file() {
    let source = |start: Start| start.config().handlers[0].name.to_string();
    let mut start = Start::default().file("component = \"gone.wasm\"");
    assert!(
        Start::default()
            .file("component = \"gone.wasm\"")
            .resolve()
            .unwrap_err()
            .starts_with("wasm-host.toml:1:13: `component` is ")
    );
    start.flags.component = Some("app.wasm".into());
    assert_eq!(source(start), "app");
    assert_eq!(source(Start::default().file("component = \"app.wasm\"")), "app");
    assert_eq!(source(Start::default()), "welcome");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_layer_panics(index in 0..SETTINGS.len(), value in "\\PC{0,20}", file in "\\PC{0,40}") {
        let mut start = Start::default().file(&file);
        let setting = &SETTINGS[index];
        start.flags.settings.push((setting, vec![value.clone()]));
        let _ = start.variable(&setting.name_in_environment(), &value).resolve();
    }
}

#[test]
fn admin_side_that_other_machines_reach_needs_a_token() {
    for address in ["0.0.0.0:8081", "[::]:8081", "192.0.2.1:8081"] {
        let exposed = || Start::default().flag("admin", &[address]);
        let mistakes = exposed().resolve().unwrap_err();
        assert!(mistakes.contains(address) && mistakes.contains("`admin-token`"), "{mistakes}");
        assert!(mistakes.contains("WASM_HOST_ADMIN_TOKEN=TOKEN"), "{mistakes}");
        let guarded = exposed().variable("WASM_HOST_ADMIN_TOKEN", "correct-horse-battery").config();
        assert!(guarded.admin.token.is_some());
    }
    for address in ["127.0.0.1:0", "127.9.9.9:1", "[::1]:8081", "auto", "off"] {
        assert!(Start::default().flag("admin", &[address]).config().admin.token.is_none(), "{address}");
    }
}

#[test]
fn admin_token_is_shown_by_no_mistake_and_by_no_print() {
    let (good, bad) = ("correct-horse-battery", "hunter2 hunter2 hunter2");
    let file = |token: &str| Start::default().file(&format!("admin-token = {token:?}"));
    for start in [
        Start::default().flag("admin-token", &[bad]),
        Start::default().variable("WASM_HOST_ADMIN_TOKEN", bad),
        file(bad),
    ] {
        let mistakes = start.resolve().unwrap_err();
        assert!(mistakes.contains("16 to 256") && !mistakes.contains("hunter2"), "{mistakes}");
    }
    let shown = format!("{:?}", file(good).config());
    assert!(shown.contains("Token") && !shown.contains(good), "{shown}");
}
