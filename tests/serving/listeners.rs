//! Where a host listens: at several addresses, at Unix sockets, and at sockets that somebody else bound
//! and passes on. Restarts behind such a socket lose nobody.

use crate::harness::{Client, SOON, Server, command, eventually, guest, run};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// The whole answer of the host behind the Unix socket `path` to one GET.
#[track_caller]
fn ask_unix(path: &Path, target: &str) -> String {
    let mut stream = UnixStream::connect(path).expect("the host accepts");
    stream.set_read_timeout(Some(SOON)).expect("a socket option");
    let request = format!("GET {target} HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("the host reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

/// A host that finds `socket` at file descriptor 3, as a service manager passes it, and nothing else to
/// listen on.
fn behind(socket: impl Into<OwnedFd>, component: &str) -> Command {
    let host = command();
    let mut shell = Command::new("sh");
    shell
        // The shell becomes the host, so that its number is the host's.
        .args(["-c", r#"LISTEN_FDS=1 LISTEN_PID=$$ LISTEN_FDNAMES=web exec "$0" "$@" 3<&1 >/dev/null"#])
        .arg(host.get_program())
        .args(["serve", component])
        .stdout(Stdio::from(socket.into()));
    for (name, value) in host.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell.current_dir(host.get_current_dir().expect("a directory of its own"));
    shell
}

#[test]
fn several_addresses_are_served_by_one_host() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("a.sock");
    let unix = format!("unix:{}", path.display());
    let server = Server::start(&guest("hello"), &["--listen", "127.0.0.1:0", "--listen", &unix]);
    assert_eq!(server.client().get("/first").assert_ok().text(), "Hello from /first\n");
    let second = server.log.wait_for(&["Serving HTTP on http://127.0.0.1:"]);
    let second = second.trim_start_matches("Serving HTTP on http://").trim_end_matches('/').to_owned();
    let second = Client::new(second.parse::<SocketAddr>().expect("an address"));
    assert_ne!(second.address(), server.address);
    assert_eq!(second.get("/second").assert_ok().text(), "Hello from /second\n");
    server.log.wait_for(&[&format!("Serving HTTP on {unix} (http)")]);
    assert!(ask_unix(&path, "/third").ends_with("Hello from /third\n"));
    server.stop();
    assert!(!path.exists(), "the socket goes with its host");
}

#[test]
fn unix_socket_in_use_is_an_error_and_a_stale_one_is_replaced() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("a.sock");
    let unix = format!("unix:{}", path.display());
    let listener = UnixListener::bind(&path).expect("a free path");
    let refused = run(&["serve", &guest("hello"), "--listen", &unix]);
    let text = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{text}");
    assert!(text.contains(&format!("error: cannot listen on {unix}")), "{text}");
    drop(listener);
    assert!(path.exists(), "nobody listens any more, and the file is left");
    let mut server = Server::start(&guest("hello"), &["--listen", &unix]);
    assert!(ask_unix(&path, "/").starts_with("HTTP/1.1 200 "));
    server.signal("KILL");
    server.wait();
    assert!(path.exists(), "left behind by a host that was killed");
    let server = Server::start(&guest("hello"), &["--listen", &unix]);
    assert!(ask_unix(&path, "/").starts_with("HTTP/1.1 200 "));
    server.stop();
}

#[test]
fn settings_file_and_environment_may_name_several_too() {
    let mut host = command();
    host.args(["serve", &guest("hello")]).env("WASM_HOST_LISTEN", "127.0.0.1:0, 127.0.0.1:0");
    let server = Server::spawn(&mut host);
    server.client().get("/").assert_ok();
    server.log.wait_for(&["Serving HTTP on http://127.0.0.1:"]);
}

#[test]
fn passed_sockets_are_served_in_place_of_the_usual_address() {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = socket.local_addr().expect("an address");
    let server = Server::spawn(&mut behind(socket.try_clone().expect("a second handle"), &guest("env")));
    assert_eq!(server.address, address);
    let answer = server.client().get("/");
    assert!(!answer.assert_ok().text().contains("LISTEN"), "{}", answer.text());
    server.stop();

    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("a.sock");
    let socket = UnixListener::bind(&path).expect("a free path");
    // The first line says a Unix socket; a second listener gives the harness an address.
    let mut host = behind(socket, &guest("hello"));
    host.args(["--listen", "127.0.0.1:0", "--listen", "auto"]);
    let server = Server::spawn(&mut host);
    server.log.wait_for(&[&format!("Serving HTTP on unix:{} (http)", path.display())]);
    assert!(ask_unix(&path, "/").ends_with("Hello from /\n"));
    server.stop();
    assert!(path.exists(), "the file is whose who made it");
}

#[test]
fn sockets_passed_to_another_process_are_left_alone() {
    let mut host = command();
    host.args(["serve", &guest("hello"), "--listen", "127.0.0.1:0", "--listen", "auto"]);
    // The number of this process, which is not the host's.
    host.env("LISTEN_FDS", "1").env("LISTEN_PID", std::process::id().to_string());
    // The usual address is this test's, or somebody else's: the host has to look for it all the same.
    let _taken = TcpListener::bind("127.0.0.1:8080");
    let refused = host.output().expect("the binary starts");
    let text = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{text}");
    assert!(text.contains("cannot listen on 127.0.0.1:8080"), "{text}");
}

#[test]
fn a_passed_file_that_does_not_listen_is_an_error() {
    let nothing = std::fs::File::open("/dev/null").expect("/dev/null");
    let (connected, _other) = UnixStream::pair().expect("a pair");
    for socket in [OwnedFd::from(nothing), connected.into()] {
        let refused = behind(socket, &guest("hello")).output().expect("the binary starts");
        let text = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(1), "{text}");
        assert!(text.starts_with("error: cannot listen on passed socket 0 (web)\n"), "{text}");
    }
}

/// How often the host is restarted; `WASM_HOST_TEST_RESTARTS` asks for more.
const RESTARTS: usize = 10;

/// Row 100: every request has a connection of its own and is sent once. Half of the restarts start the
/// new host first, half leave nobody there for a while: what the kernel let in waits.
#[test]
fn rolling_restarts_behind_a_passed_socket_fail_no_request() {
    let restarts =
        std::env::var("WASM_HOST_TEST_RESTARTS").map_or(RESTARTS, |text| text.parse().expect("a number"));
    let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let host = || {
        let mut host = behind(socket.try_clone().expect("a second handle"), &guest("sleep"));
        Server::spawn(host.args(["--queue-timeout", "30s"]))
    };
    let mut server = host();
    let client = server.client();
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..6)
        .map(|number| {
            let stop = stop.clone();
            std::thread::spawn(move || {
                let (mut asked, mut failed) = (0, Vec::new());
                while !stop.load(Relaxed) {
                    asked += 1;
                    match client.send("GET", &format!("/?ms={}", number * 5), &[], None) {
                        Ok(answer) if answer.status == 200 && !answer.broken => {}
                        other => failed.push(format!("{other:?}")),
                    }
                }
                (asked, failed)
            })
        })
        .collect();
    for restart in 0..restarts {
        let next = (restart % 2 == 0).then(&host);
        server.signal("TERM");
        assert_eq!(server.wait().code(), Some(0), "restart {restart}");
        server.log.wait_for(&["drained", "cut=0"]);
        server = next.unwrap_or_else(&host);
    }
    stop.store(true, Relaxed);
    let results: Vec<(usize, Vec<String>)> =
        clients.into_iter().map(|client| client.join().expect("client")).collect();
    let asked: usize = results.iter().map(|(asked, _)| asked).sum();
    let failed: Vec<_> = results.iter().flat_map(|(_, failed)| failed).collect();
    println!("{restarts} restarts, {asked} requests, {} failed", failed.len());
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(asked > restarts, "{asked}");
    eventually("the last host is idle", || server.live_instances() == 0);
}
