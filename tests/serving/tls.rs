//! TLS: both versions of HTTP over it, handshakes that are never finished, and certificates that change
//! while the host runs.

use crate::harness::tls::{Authority, Hello, Pair, name};
use crate::harness::{Client, H2, Server, eventually, guest, run};
use rustls::ProtocolVersion;
use std::io::{Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// A host with a certificate of its own, which is in a directory of its own.
struct Secured {
    server: Server,
    pair: Pair,
    directory: TempDir,
}

impl Secured {
    #[track_caller]
    fn start(component: &str, arguments: &[&str]) -> Self {
        let (pair, directory) = (Pair::new(), tempfile::tempdir().expect("a temporary directory"));
        pair.write(directory.path());
        let files = [file(directory.path(), "cert.pem"), file(directory.path(), "key.pem")];
        let tls = ["--tls-cert", &files[0], "--tls-key", &files[1]];
        let server = Server::start(&guest(component), &[&tls, arguments].concat());
        Self { server, pair, directory }
    }

    fn client(&self) -> Client {
        self.server.client()
    }

    /// Asks over HTTP/1.1 on a connection of its own; none if there is no connection.
    fn get(&self, hello: &Hello<'_>, path: &str) -> Option<String> {
        let mut stream = hello.connect(&self.client(), &self.pair).ok()?;
        ask(&mut stream, path)
    }

    /// Whether a new connection is shown this certificate.
    fn shows(&self, pair: &Pair) -> bool {
        Hello::default().connect(&self.client(), pair).is_ok()
    }
}

fn file(directory: &Path, name: &str) -> String {
    directory.join(name).to_str().expect("UTF-8").to_owned()
}

fn ask(stream: &mut (impl Read + Write), path: &str) -> Option<String> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    // With an end that says so: a connection that is merely closed would be an error.
    stream.read_to_end(&mut answer).ok()?;
    Some(String::from_utf8_lossy(&answer).into_owned())
}

#[test]
fn both_versions_of_http_are_served_and_the_guest_knows() {
    let secured = Secured::start("headers", &[]);
    assert_eq!(secured.server.scheme, "https");
    for (hello, version) in [
        (Hello::default(), ProtocolVersion::TLSv1_3),
        (Hello { old: true, ..Hello::default() }, ProtocolVersion::TLSv1_2),
        (Hello { protocols: &["http/1.1"], ..Hello::default() }, ProtocolVersion::TLSv1_3),
    ] {
        let mut stream = hello.connect(&secured.client(), &secured.pair).expect("a connection");
        assert_eq!(stream.conn.protocol_version(), Some(version));
        let answer = ask(&mut stream, "/old").expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("path-with-query /old\n") && answer.contains("scheme https\n"), "{answer}");
    }

    let mut client = open_h2(&secured);
    let text = client.get("/new").assert_ok().text();
    assert!(text.contains("path-with-query /new\n") && text.contains("scheme https\n"), "{text}");
    assert_eq!(client.get("/health").json()["status"], "ok");
    drop(client);

    let strange = Hello { protocols: &["spdy/3"], ..Hello::default() };
    assert!(strange.connect(&secured.client(), &secured.pair).is_err(), "nothing in common");
    secured.server.stop();
}

fn open_h2(secured: &Secured) -> H2 {
    let config = Hello { protocols: &["h2", "http/1.1"], ..Hello::default() }.config(&secured.pair);
    let address = secured.server.address;
    let connect = async move {
        let stream = TcpStream::connect(address).await.expect("the host accepts");
        let stream = TlsConnector::from(config).connect(name(), stream).await.expect("a handshake");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        stream
    };
    H2::over(connect, address.to_string(), "https", 1 << 30)
}

#[test]
fn large_bodies_go_both_ways() {
    let secured = Secured::start("echo", &[]);
    let body: Vec<u8> = (0..2_000_000_u32).map(|byte| byte.to_le_bytes()[0]).collect();
    let answer = open_h2(&secured).post("/", &body);
    assert!(answer.assert_ok().body == body, "{} bytes came back", answer.body.len());
}

#[test]
fn who_forgets_tls_is_told() {
    let secured = Secured::start("hello", &[]);
    let answer = secured.client().raw(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
    assert!(answer.contains("https://"), "{answer}");
    // A handshake that is none is answered with an alert at most.
    let answer = secured.client().raw(b"\x16\x03\x01\x00\x05hello");
    assert!(!answer.contains("HTTP"), "{answer}");
    assert!(secured.get(&Hello::default(), "/").is_some());
}

/// Row 69: nothing, or half a handshake, is waited for only so long; and as many as may shake hands at
/// once keep nobody else waiting.
#[test]
fn handshakes_end_in_time_and_are_bounded() {
    let limits = ["--handshake-timeout", "3s", "--max-handshakes", "2", "--idle-timeout", "10m"];
    let secured = Secured::start("hello", &limits);
    let began = Instant::now();
    let mut half_open: Vec<_> = (0..10)
        .map(|number| {
            let mut stream = secured.client().connect();
            // The begin of a record of 512 bytes, or not even that.
            let bytes = if number < 8 { &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..] } else { b"" };
            stream.write_all(bytes).expect("the host reads");
            stream
        })
        .collect();
    // One of those that have just come may take its place once.
    eventually("an answer", || secured.get(&Hello::default(), "/").is_some());
    let answered = began.elapsed();
    for stream in &mut half_open {
        let mut said = Vec::new();
        let _ = stream.read_to_end(&mut said);
    }
    let took = began.elapsed();
    println!("the one behind them was served after {answered:?}, all closed after {took:?}");
    assert!(answered < Duration::from_millis(2900), "waited for them: {answered:?}");
    assert!((Duration::from_millis(2900)..Duration::from_secs(10)).contains(&took), "{took:?}");
}

/// After its handshake a client is held to the time limit of a head.
#[test]
fn silence_after_the_handshake_is_cut_off() {
    let secured = Secured::start("hello", &["--header-timeout", "500ms", "--idle-timeout", "10m"]);
    let mut stream = Hello::default().connect(&secured.client(), &secured.pair).expect("a connection");
    let began = Instant::now();
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said);
    assert!(said.is_empty(), "{}", String::from_utf8_lossy(&said));
    assert!((0.4..10.0).contains(&began.elapsed().as_secs_f64()), "{:?}", began.elapsed());
}

/// Row 69: a new pair takes effect by itself; one that is no pair does not, and is told.
#[test]
fn certificates_are_reloaded_and_bad_ones_are_not() {
    let secured = Secured::start("hello", &[]);
    let directory = secured.directory.path();
    let mut before = open_h2(&secured);
    before.get("/").assert_ok();

    let next = Pair::new();
    next.write(directory);
    eventually("the new certificate", || secured.shows(&next));
    assert!(!secured.shows(&secured.pair), "the old one is gone");
    before.get("/").assert_ok();
    secured.server.log.wait_for(&["TLS certificate reloaded"]);

    let bad = [
        (Pair { key: Pair::new().key, ..Pair::new() }, "is not the one of the first certificate"),
        (Pair { cert: "no PEM".to_owned(), ..Pair::new() }, "has no CERTIFICATE in it"),
        (Pair { key: String::new(), ..Pair::new() }, "has no PRIVATE KEY in it"),
    ];
    for (bad, why) in bad {
        bad.write(directory);
        secured.server.log.wait_for(&["TLS certificate not reloaded", why]);
        assert!(secured.shows(&next), "{why}: the one before stays");
    }
    std::fs::remove_file(directory.join("cert.pem")).expect("it was there");
    secured.server.log.wait_for(&["TLS certificate not reloaded", "cannot read"]);
    assert!(secured.shows(&next), "the one before stays");

    let last = Pair::new();
    last.write(directory);
    secured.server.signal("HUP");
    eventually("the last certificate", || secured.shows(&last));
    before.get("/").assert_ok();
    drop(before);
    secured.server.stop();
}

#[test]
fn sighup_reads_the_files_again_though_nothing_changed() {
    let secured = Secured::start("hello", &[]);
    secured.server.signal("HUP");
    secured.server.log.wait_for(&["TLS certificate reloaded"]);
    assert!(secured.shows(&secured.pair));
}

#[test]
fn clients_need_a_certificate_where_that_is_set() {
    let authority = Authority::new();
    let directory = tempfile::tempdir().expect("a temporary directory");
    let clients = file(directory.path(), "clients.pem");
    std::fs::write(&clients, &authority.cert).expect("a temporary directory");
    let secured = Secured::start("hello", &["--tls-client-ca", &clients]);
    let known = authority.client();
    let known = Hello { own: Some(&known), ..Hello::default() };
    let answer = secured.get(&known, "/").expect("a known client is served");
    assert!(answer.contains("Hello from /"), "{answer}");
    let stranger = Authority::new().client();
    for stranger in [None, Some(&stranger)] {
        for old in [false, true] {
            let hello = Hello { own: stranger, old, ..Hello::default() };
            assert_eq!(secured.get(&hello, "/"), None, "{old} {stranger:?}");
        }
    }
}

/// What cannot be used is told at start, with the file and what to do.
#[test]
fn unusable_files_end_the_start() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| file(directory.path(), name);
    Pair::new().write(directory.path());
    std::fs::write(path("other.pem"), Pair::new().key).expect("a temporary directory");
    std::fs::write(path("text"), "not PEM at all").expect("a temporary directory");
    let torn = "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n";
    std::fs::write(path("torn.pem"), torn).expect("a temporary directory");
    let (cert, key) = (path("cert.pem"), path("key.pem"));
    let (other, text, torn, none) = (path("other.pem"), path("text"), path("torn.pem"), path("none.pem"));
    let cases: [(&[&str], [&str; 2]); 9] = [
        (&["--tls-cert", &cert], ["`tls-key` is not", "--tls-key key.pem"]),
        (&["--tls-key", &key], ["`tls-cert` is not", "--tls-cert cert.pem"]),
        (&["--tls-client-ca", &cert], ["`tls-cert` is not", "--tls-cert cert.pem"]),
        (&["--tls-cert", &none, "--tls-key", &key], ["none.pem", "give a PEM file"]),
        (&["--tls-cert", &text, "--tls-key", &key], ["no CERTIFICATE", "give a PEM file"]),
        (&["--tls-cert", &cert, "--tls-key", &cert], ["no PRIVATE KEY", "give a PEM file"]),
        (&["--tls-cert", &torn, "--tls-key", &key], ["torn.pem", "write the file anew"]),
        (&["--tls-cert", &cert, "--tls-key", &other], ["other.pem", "give the pair"]),
        (
            &["--tls-cert", &cert, "--tls-key", &key, "--tls-client-ca", &text],
            ["tls-client-ca", "give a PEM"],
        ),
    ];
    for (arguments, said) in cases {
        let hello = guest("hello");
        let output = run(&[&["serve", &hello, "--listen", "127.0.0.1:0"], arguments].concat());
        let error = String::from_utf8_lossy(&output.stderr);
        println!("{arguments:?}: {error}");
        let code = if arguments.len() == 2 { 64 } else { 78 };
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
        for said in said {
            assert!(error.contains(said), "{said}: {error}");
        }
    }
}
