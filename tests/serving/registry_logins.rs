//! Who asks a registry: passwords, tokens and helpers of Docker's configuration, and that each is shown to
//! whom it is for and to nobody else (row 98 of the table of faults).

use crate::harness::command;
use crate::harness::registry::{FakeRegistry, Seen, answer};
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;
use tempfile::TempDir;
use wasm_host::digest::Digest;

const BLOB: &[u8] = b"what is said to be a component";
/// `Basic` and base64 of `user:open-sesame`.
const BASIC: &str = "Basic dXNlcjpvcGVuLXNlc2FtZQ==";

/// Pulls with a configuration of Docker's, and tells what came of it.
fn pull(registry: SocketAddr, config: &str, directory: &TempDir) -> (Output, String) {
    fs::write(directory.path().join("config.json"), config).expect("file");
    let path = std::env::var("PATH").unwrap_or_default();
    let mut pull = command();
    pull.args(["pull", &format!("oci://{registry}/app:1"), "-o", "app.wasm"]).current_dir(directory);
    pull.env("DOCKER_CONFIG", directory.path()).env("PATH", format!("{}:{path}", directory.path().display()));
    let output = pull.output().expect("the binary starts");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!text.contains("open-sesame") && !text.contains("dXNlcjp"), "{text}");
    (output, text)
}

fn directory() -> TempDir {
    tempfile::tempdir().expect("temporary directory")
}

fn password_for(registry: SocketAddr) -> String {
    let auth = BASIC.trim_start_matches("Basic ");
    format!(r#"{{"auths":{{"{registry}":{{"auth":"{auth}"}}}}}}"#)
}

/// The whole package, for whoever has shown `expected`; others are told how to get in.
fn package(seen: &Seen, expected: &str, challenge: &str) -> Vec<u8> {
    if seen.field("authorization") != Some(expected) {
        return answer("401 Unauthorized", &format!("WWW-Authenticate: {challenge}\r\n"), b"");
    }
    let layer = serde_json::json!({ "mediaType": "application/wasm", "digest": Digest::of(BLOB), "size": BLOB.len() });
    let manifest = serde_json::json!({ "schemaVersion": 2, "layers": [layer] }).to_string();
    let body = if seen.path.contains("/manifests/") { manifest.as_bytes() } else { BLOB };
    answer("200 OK", "", body)
}

#[test]
fn row_98_credentials_stay_with_their_registry() {
    // Blobs are elsewhere: a client that shows its password there has given it away.
    let elsewhere = FakeRegistry::start(|_| answer("200 OK", "", BLOB));
    let to = format!("Location: http://{}/blob?key=1\r\n", elsewhere.address);
    let registry = FakeRegistry::start(move |seen| match seen.path.contains("/blobs/") {
        true if seen.field("authorization") == Some(BASIC) => answer("307 Temporary Redirect", &to, b""),
        _ => package(seen, BASIC, "Basic realm=\"x\""),
    });
    let (output, text) = pull(registry.address, &password_for(registry.address), &directory());
    assert!(output.status.success(), "{text}");
    let seen = elsewhere.seen();
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(seen[0].path, "/blob?key=1");
    assert_eq!(seen[0].field("authorization"), None, "{seen:?}");
    // Nobody is shown anything before it was asked for.
    assert_eq!(registry.seen()[0].field("authorization"), None);
}

#[test]
fn row_98_credentials_of_another_registry_are_not_shown() {
    let registry = FakeRegistry::start(|seen| package(seen, BASIC, "Basic realm=\"x\""));
    let other: SocketAddr = "127.0.0.1:1".parse().expect("an address");
    let (output, text) = pull(registry.address, &password_for(other), &directory());
    assert_eq!(output.status.code(), Some(78), "{text}");
    assert!(registry.seen().iter().all(|seen| seen.field("authorization").is_none()));
}

#[test]
fn token_is_had_where_the_registry_says_and_shown_to_it_alone() {
    let tokens = FakeRegistry::start(|seen| match seen.field("authorization") {
        Some(BASIC) => answer("200 OK", "", br#"{"token":"t0ken"}"#),
        _ => answer("200 OK", "", br#"{"access_token":"an0nymous"}"#),
    });
    let challenge = format!("Bearer realm=\"http://{}/token\",service=\"reg\"", tokens.address);
    for (expected, config) in [("Bearer t0ken", true), ("Bearer an0nymous", false)] {
        let challenge = challenge.clone();
        let registry = FakeRegistry::start(move |seen| package(seen, expected, &challenge));
        let config = if config { password_for(registry.address) } else { "{}".to_owned() };
        let (output, text) = pull(registry.address, &config, &directory());
        assert!(output.status.success(), "{text}");
        assert!(registry.seen().iter().all(|seen| seen.field("authorization") != Some(BASIC)));
    }
    let asked = tokens.seen();
    assert_eq!(asked.len(), 2, "one token is enough for all of a package: {asked:?}");
    assert_eq!(asked[0].path, "/token?service=reg&scope=repository%3Aapp%3Apull");
}

#[test]
fn row_98_password_is_not_sent_where_a_registry_may_not_send() {
    for realm in
        ["http://10.0.0.1/token", "https://10.0.0.1/token", "https://169.254.169.254/", "ftp://a/", "x"]
    {
        let registry =
            FakeRegistry::start(move |seen| package(seen, "", &format!("Bearer realm=\"{realm}\"")));
        let (output, text) = pull(registry.address, &password_for(registry.address), &directory());
        assert_eq!(output.status.code(), Some(78), "{realm}: {text}");
        assert!(text.contains("not followed") || text.contains("is no URL"), "{realm}: {text}");
    }
}

#[test]
fn identity_token_is_traded_for_an_access_token() {
    let tokens = FakeRegistry::start(|seen| match seen.method.as_str() {
        "POST" => answer("200 OK", "", br#"{"access_token":"traded"}"#),
        _ => answer("403 Forbidden", "", b""),
    });
    let challenge = format!("Bearer realm=\"http://{}/token\"", tokens.address);
    let registry = FakeRegistry::start(move |seen| package(seen, "Bearer traded", &challenge));
    let config = format!(r#"{{"auths":{{"{}":{{"identitytoken":"open-sesame"}}}}}}"#, registry.address);
    let (output, text) = pull(registry.address, &config, &directory());
    assert!(output.status.success(), "{text}");
}

#[test]
fn credential_helper_is_asked_for_its_registry() {
    let registry = FakeRegistry::start(|seen| package(seen, BASIC, "Basic realm=\"x\""));
    let directory = directory();
    let helper = directory.path().join("docker-credential-tests");
    let script = format!(
        "#!/bin/sh\nread -r host\n[ \"$1 $host\" = 'get {}' ] || exit 1\n\
         echo '{{\"ServerURL\":\"x\",\"Username\":\"user\",\"Secret\":\"open-sesame\"}}'\n",
        registry.address
    );
    fs::write(&helper, script).expect("file");
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).expect("file");
    for config in [
        format!(r#"{{"credHelpers":{{"{}":"tests"}}}}"#, registry.address),
        r#"{"credsStore":"tests"}"#.to_owned(),
    ] {
        let (output, text) = pull(registry.address, &config, &directory);
        assert!(output.status.success(), "{config}: {text}");
    }
    let (output, text) = pull(registry.address, r#"{"credsStore":"no-such-helper"}"#, &directory);
    assert_eq!(output.status.code(), Some(78), "{text}");
    assert!(text.contains("docker-credential-no-such-helper cannot be started"), "{text}");
}
