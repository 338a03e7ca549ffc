//! Registries that lie, flood, stall and lead astray (row 98 of the table of faults): each is told from the
//! others, none gets anything that it was not given, and what does not verify is neither served nor written.

use crate::harness::registry::{FakeRegistry, Seen, answer};
use crate::harness::{Server, command, guest};
use std::fs;
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};
use wasm_host::digest::Digest;

const CONFIGURATION: i32 = 78;
const OTHER: i32 = 1;
const BLOB: &[u8] = b"what is said to be a component";

/// The manifest of a package with this blob, said to be that long.
fn manifest(blob: &[u8], size: u64) -> Vec<u8> {
    let layer =
        serde_json::json!({ "mediaType": "application/wasm", "digest": Digest::of(blob), "size": size });
    serde_json::json!({ "schemaVersion": 2, "layers": [layer] }).to_string().into_bytes()
}

/// Answers with `manifest` where one is asked for, and with what `blob` makes of it elsewhere.
fn registry(manifest: Vec<u8>, blob: impl Fn(&Seen) -> Vec<u8> + Send + Sync + 'static) -> FakeRegistry {
    FakeRegistry::start(move |seen| match seen.path.contains("/manifests/") {
        true => answer("200 OK", "", &manifest),
        false => blob(seen),
    })
}

/// One whose only blob is answered like this.
fn registry_with_blob(blob: Vec<u8>) -> FakeRegistry {
    registry(manifest(BLOB, BLOB.len() as u64), move |_| blob.clone())
}

/// What comes of pulling from it, with the message; nothing may be written unless it succeeds.
#[track_caller]
fn pulled(registry: &FakeRegistry, arguments: &[&str]) -> (Output, String) {
    let directory = tempfile::tempdir().expect("temporary directory");
    let mut pull = command();
    pull.args(["pull", &registry.reference("app:1"), "-o", "app.wasm"]).args(arguments);
    let output = pull.current_dir(&directory).output().expect("the binary starts");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let files = fs::read_dir(&directory).expect("directory").count();
    assert_eq!(files, usize::from(output.status.success()), "{text}");
    assert!(!text.contains("panicked"), "{text}");
    (output, text)
}

#[track_caller]
fn refused(registry: &FakeRegistry, arguments: &[&str]) -> String {
    let (output, text) = pulled(registry, arguments);
    assert_eq!(output.status.code(), Some(CONFIGURATION), "{text}");
    text
}

#[test]
fn row_98_blob_of_another_digest_is_refused() {
    let mut flipped = BLOB.to_vec();
    flipped[3] ^= 1;
    let registry = registry_with_blob(answer("200 OK", "", &flipped));
    let text = refused(&registry, &[]);
    let (expected, found) = (Digest::of(BLOB), Digest::of(&flipped));
    assert!(text.contains(&format!("has the digest {found}, and asked for was {expected}")), "{text}");
    assert_eq!(registry.seen_with("/blobs/").len(), 1, "it is not asked for again");
    // Neither is it served.
    let output = command()
        .args(["serve", &registry.reference("app:1"), "--listen", "127.0.0.1:0"])
        .output()
        .expect("the binary starts");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(CONFIGURATION), "{text}");
    assert!(text.contains("cannot serve oci://") && !text.contains("Serving HTTP"), "{text}");
}

#[test]
fn row_98_manifest_of_another_digest_than_named_is_refused() {
    let registry = registry_with_blob(answer("200 OK", "", BLOB));
    let pinned = registry.reference(&format!("app@{}", Digest::of(b"another")));
    let output =
        command().args(["pull", &pinned, "-o", "/nonexistent/x"]).output().expect("the binary starts");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains(&format!("asked for was {}", Digest::of(b"another"))), "{text}");
    let text = manifest(BLOB, BLOB.len() as u64);
    let field = format!("Docker-Content-Digest: {}\r\n", Digest::of(b"another"));
    let lying = FakeRegistry::start(move |_| answer("200 OK", &field, &text));
    assert!(refused(&lying, &[]).contains("has the digest"));
}

#[test]
fn row_98_huge_manifest_is_not_read() {
    const HUGE: usize = 1 << 30;
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {HUGE}\r\n\r\n");
    let declared = FakeRegistry::start(move |_| head.clone().into_bytes());
    // Without a length, it is read up to the limit and no further.
    let endless = FakeRegistry::start(|_| {
        [b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_vec(), vec![b' '; 5 << 20]].concat()
    });
    for registry in [&declared, &endless] {
        let text = refused(registry, &[]);
        assert!(text.contains("larger than 4.0 MiB"), "{text}");
    }
}

#[test]
fn row_98_huge_component_is_not_asked_for() {
    let registry = registry(manifest(BLOB, 200 << 20), |_| answer("200 OK", "", BLOB));
    let text = refused(&registry, &[]);
    assert!(text.contains("said to have 200.0 MiB, and 128.0 MiB"), "{text}");
    assert_eq!(registry.seen_with("/blobs/").len(), 0);
    // Both sides of a limit.
    for (bytes, fits) in [(1024, true), (1025, false)] {
        let blob = vec![7; bytes];
        let registry = self::registry(manifest(&blob, bytes as u64), move |_| answer("200 OK", "", &blob));
        let (output, text) = pulled(&registry, &["--max-component", "1KiB"]);
        assert_eq!(output.status.success(), fits, "{bytes}: {text}");
    }
}

#[test]
fn row_98_blob_longer_or_shorter_than_said_is_refused() {
    let close = |body: &[u8]| [b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", body].concat();
    let longer = [BLOB, b"!"].concat();
    let shorter = &BLOB[1..];
    for (blob, told) in [
        (answer("200 OK", "", &longer), "more came"),
        (close(&longer), "more came"),
        (answer("200 OK", "", shorter), "and 29 came"),
        (close(shorter), "and 29 came"),
    ] {
        let text = refused(&registry_with_blob(blob), &[]);
        assert!(text.contains("was to have 30 bytes") && text.contains(told), "{told}: {text}");
    }
}

#[test]
fn row_98_connection_that_breaks_is_tried_again() {
    let times = Arc::new(AtomicU32::new(0));
    let counted = times.clone();
    let registry = registry(manifest(BLOB, BLOB.len() as u64), move |_| {
        let whole = answer("200 OK", "", BLOB);
        match counted.fetch_add(1, Relaxed) {
            0 => whole[..whole.len() - 5].to_vec(),
            _ => whole,
        }
    });
    let (output, text) = pulled(&registry, &[]);
    assert!(output.status.success(), "{text}");
    assert_eq!(times.load(Relaxed), 2);
}

#[test]
fn row_98_redirect_to_a_private_address_is_refused() {
    for to in [
        "https://10.0.0.1/blob",
        "https://192.168.1.1/blob",
        "https://169.254.169.254/latest/meta-data",
        "http://169.254.169.254/latest/meta-data",
        "https://[fd00::1]/blob",
        "https://[::ffff:10.0.0.1]/blob",
        "file:///etc/passwd",
        "https://user:secret@127.0.0.1/blob",
    ] {
        let redirect = answer("307 Temporary Redirect", &format!("Location: {to}\r\n"), b"");
        let began = Instant::now();
        let text = refused(&registry_with_blob(redirect), &[]);
        assert!(text.contains("that is not followed") && !text.contains("secret"), "{to}: {text}");
        assert!(began.elapsed() < Duration::from_secs(30), "{to}: nothing was connected to");
    }
}

#[test]
fn row_98_redirects_that_go_round_end() {
    let registry = registry_with_blob(answer("302 Found", "Location: /v2/app/blobs/again\r\n", b""));
    let text = refused(&registry, &[]);
    assert!(text.contains("five redirects already"), "{text}");
    assert_eq!(registry.seen_with("/blobs/").len(), 6);
}

#[test]
fn row_98_too_many_requests_are_waited_for() {
    let registry = FakeRegistry::start({
        let times = AtomicU32::new(0);
        move |seen| match (seen.path.contains("/manifests/"), times.fetch_add(1, Relaxed)) {
            (true, 0) => answer("429 Too Many Requests", "Retry-After: 2\r\n", b""),
            (true, _) => answer("200 OK", "", &manifest(BLOB, BLOB.len() as u64)),
            (false, _) => answer("200 OK", "", BLOB),
        }
    });
    let (output, text) = pulled(&registry, &[]);
    assert!(output.status.success(), "{text}");
    let asked = registry.seen_with("/manifests/");
    assert_eq!(asked.len(), 2);
    assert!(asked[1].at - asked[0].at >= Duration::from_secs(2), "it was asked to wait for two seconds");
}

#[test]
fn row_98_registry_that_stays_ill_is_given_up() {
    let document = br#"{"errors":[{"code":"UNAVAILABLE","message":"back\nsoon"}]}"#;
    let registry = FakeRegistry::start(move |_| answer("503 Service Unavailable", "", document));
    let (output, text) = pulled(&registry, &[]);
    assert_eq!(output.status.code(), Some(OTHER), "{text}");
    assert!(text.contains("the answer was 503 (\"UNAVAILABLE back\\nsoon\")"), "{text}");
    let asked = registry.seen();
    assert_eq!(asked.len(), 5);
    let pauses: Vec<Duration> = asked.windows(2).map(|pair| pair[1].at - pair[0].at).collect();
    // Each pause is half at least of one that doubles.
    for (pause, least_ms) in pauses.iter().zip([125, 250, 500, 1000]) {
        assert!(*pause >= Duration::from_millis(least_ms), "{pauses:?}");
    }
    // One that wants more patience than anyone has is not asked again.
    let far = FakeRegistry::start(|_| answer("503 Service Unavailable", "Retry-After: 86400\r\n", b""));
    let (_, text) = pulled(&far, &[]);
    assert!(text.contains("come again after 86400s"), "{text}");
    assert_eq!(far.seen().len(), 1);
}

#[test]
fn row_98_silent_registry_is_left_after_oci_timeout() {
    let silent = FakeRegistry::start(|_| Vec::new());
    let began = Instant::now();
    let (output, text) = pulled(&silent, &["--oci-timeout", "500ms"]);
    assert_eq!(output.status.code(), Some(OTHER), "{text}");
    assert!(text.contains("500ms (`oci-timeout`), and that is over"), "{text}");
    assert!(began.elapsed() < Duration::from_secs(30));
}

#[test]
fn row_98_registry_that_is_not_there_is_told_with_what_was_asked_of_whom() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = port.local_addr().expect("an address");
    drop(port);
    let reference = format!("oci://{address}/app:1");
    let output =
        command().args(["serve", &reference, "--listen", "127.0.0.1:0"]).output().expect("the binary starts");
    let text = String::from_utf8_lossy(&output.stderr);
    // What may go away by itself is not the settings' fault.
    assert_eq!(output.status.code(), Some(OTHER), "{text}");
    assert!(text.contains(&format!("cannot serve {reference}")), "{text}");
    assert!(text.contains(&format!("GET http://{address}/v2/app/manifests/1: ")), "{text}");
}

#[test]
fn row_98_garbage_in_the_place_of_a_manifest_is_told() {
    for garbage in [&b"<html>"[..], b"{}", b"[1]", b"\xff\xfe", b"{\"layers\": [{}]}", b""] {
        let registry = registry(garbage.to_vec(), |_| Vec::new());
        let text = refused(&registry, &[]);
        assert!(text.contains("not what it should be: it is no manifest"), "{text}");
    }
    let no_http = FakeRegistry::start(|_| b"220 smtp.example ESMTP\r\n".to_vec());
    refused(&no_http, &[]);
}

#[test]
fn index_leads_to_its_build_for_wasm() {
    let wasm = manifest(BLOB, BLOB.len() as u64);
    let build = |architecture: &str, text: &[u8]| {
        serde_json::json!({ "mediaType": "application/vnd.oci.image.manifest.v1+json", "size": text.len(),
            "digest": Digest::of(text), "platform": { "architecture": architecture, "os": "wasip2" } })
    };
    let index =
        serde_json::json!({ "schemaVersion": 2, "manifests": [build("amd64", b"x"), build("wasm", &wasm)] });
    let digest = Digest::of(&wasm).to_string();
    let registry = FakeRegistry::start(move |seen| match seen.path.as_str() {
        "/v2/app/manifests/1" => answer("200 OK", "", index.to_string().as_bytes()),
        path if path.ends_with(&digest) => answer("200 OK", "", &wasm),
        _ => answer("200 OK", "", BLOB),
    });
    let (output, text) = pulled(&registry, &[]);
    assert!(output.status.success(), "{text}");
}

#[test]
fn reload_from_an_ill_registry_changes_nothing() {
    let component = fs::read(guest("hello")).expect("guest");
    let good = Arc::new(AtomicU32::new(1));
    let text = manifest(&component, component.len() as u64);
    let registry = FakeRegistry::start({
        let good = good.clone();
        move |seen| match (good.load(Relaxed), seen.path.contains("/manifests/")) {
            (0, _) => answer("404 Not Found", "", b""),
            (_, true) => answer("200 OK", "", &text),
            (_, false) => answer("200 OK", "", &component),
        }
    });
    let server = Server::start(&registry.reference("app:1"), &[]);
    good.store(0, Relaxed);
    server.signal("HUP");
    server.log.wait_for(&["cannot reload", "no such thing"]);
    server.client().get("/").assert_ok();
    server.stop();
}
