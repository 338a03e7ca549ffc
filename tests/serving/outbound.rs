//! Requests that guests make: only where they were granted, and never longer than the request they
//! are made for.

use crate::harness::{Server, eventually, guest};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A server of one answer for every connection, which it keeps open.
struct Upstream {
    address: SocketAddr,
    connections: Arc<Mutex<Vec<TcpStream>>>,
}

impl Upstream {
    /// Answers every request with these bytes and then says nothing more.
    fn saying(answer: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let connections = Arc::new(Mutex::new(Vec::new()));
        let kept = connections.clone();
        // Ends with the test's process: nothing else waits for it.
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(answer.as_bytes());
                kept.lock().expect("connections").push(stream);
            }
        });
        Self { address, connections }
    }

    fn hello() -> Self {
        Self::saying("HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello")
    }

    fn connections(&self) -> usize {
        self.connections.lock().expect("connections").len()
    }

    /// A path that has the guest fetch from here.
    fn path(&self) -> String {
        format!("/?url=http://{}/", self.address)
    }
}

fn host(granted: &str, settings: &[&str]) -> Server {
    Server::start(&guest("outbound"), &[&["--allow-outbound", granted], settings].concat())
}

#[track_caller]
fn fetch(server: &Server, path: &str) -> String {
    server.client().get(path).assert_ok().text()
}

#[test]
fn nothing_is_reachable_without_a_grant() {
    let upstream = Upstream::hello();
    let server = Server::start(&guest("outbound"), &[]);
    for url in [upstream.path(), "/?url=https://example.com/".into(), "/?url=http://169.254.169.254/".into()]
    {
        let text = fetch(&server, &url);
        assert!(text.starts_with("error ") && text.contains("HttpRequestDenied"), "{url}: {text}");
    }
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn granted_destination_is_reachable_and_no_other() {
    let (granted, other) = (Upstream::hello(), Upstream::hello());
    let (one, every) = (granted.address.to_string(), "127.0.0.1:*".to_owned());
    for (grant, reaches_other) in [(&one, false), (&every, true)] {
        let server = host(grant, &[]);
        assert_eq!(fetch(&server, &granted.path()), "status 200\nhello", "{grant}");
        let text = fetch(&server, &other.path());
        assert_eq!(text == "status 200\nhello", reaches_other, "{grant}: {text}");
        assert!(reaches_other || text.contains("HttpRequestDenied"), "{grant}: {text}");
        // Another spelling of the same machine is another destination.
        for name in ["localhost", "127.1", "2130706433", "[::ffff:127.0.0.1]"] {
            let url = granted.path().replace("127.0.0.1", name);
            let text = fetch(&server, &url);
            assert!(text.starts_with("error "), "{grant} {url}: {text}");
        }
    }
    assert_eq!(other.connections(), 1);
}

#[test]
fn grants_add_up_and_the_environment_lists_them() {
    let (one, other) = (Upstream::hello(), Upstream::hello());
    let server = Server::start_with(&guest("outbound"), &[], |host| {
        host.env("WASM_HOST_ALLOW_OUTBOUND", format!("{}, {}", one.address, other.address));
    });
    for upstream in [&one, &other] {
        assert_eq!(fetch(&server, &upstream.path()), "status 200\nhello");
    }
}

/// Row 72: a redirect is an answer like any other.
#[test]
fn redirects_are_not_followed() {
    let upstream =
        Upstream::saying("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n");
    let server = host("127.0.0.1:*", &[]);
    assert_eq!(fetch(&server, &upstream.path()), "status 302\n");
}

#[test]
fn refused_connection_is_the_guests_error() {
    let closed = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("an address");
    let server = host("127.0.0.1:*", &[]);
    let text = fetch(&server, &format!("/?url=http://{closed}/"));
    assert!(text.contains("ConnectionRefused"), "{text}");
}

/// Row 75: whatever patience the guest asks for, its request's own deadline comes first.
#[test]
fn timeouts_end_with_the_request() {
    let silent = Upstream::saying("");
    let server = host("127.0.0.1:*", &["--timeout", "1s"]);
    let ten_minutes = "&connect_ms=600000&first_byte_ms=600000&between_ms=600000";
    for options in [ten_minutes, ""] {
        let answer = server.client().get(&(silent.path() + options));
        println!("504 after {:?}", answer.took);
        answer.assert_problem(504, "guest_timeout");
        assert!(answer.took >= Duration::from_secs(1), "{:?}", answer.took);
        assert!(answer.took < Duration::from_secs(10), "{:?}", answer.took);
    }
    server.wait_idle();
    // Nor is a connection left behind.
    eventually("connections closed", || {
        let mut connections = silent.connections.lock().expect("connections");
        connections.iter_mut().all(|stream| matches!(stream.read(&mut [0; 1]), Ok(0) | Err(_)))
    });
}

/// Row 75: a server that does not begin.
#[test]
fn first_byte_timeout_is_the_guests_error() {
    let silent = Upstream::saying("");
    let server = host("127.0.0.1:*", &[]);
    let answer = server.client().get(&(silent.path() + "&first_byte_ms=300"));
    println!("{} after {:?}", answer.text().trim(), answer.took);
    assert!(answer.assert_ok().text().starts_with("error "), "{}", answer.text());
    assert!(answer.text().contains("Timeout"), "{}", answer.text());
    assert!(answer.took < Duration::from_secs(10), "{:?}", answer.took);
}

/// Row 75: a server that does not go on.
#[test]
fn between_bytes_timeout_is_the_guests_error() {
    let stuck = Upstream::saying("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello");
    let server = host("127.0.0.1:*", &[]);
    let answer = server.client().get(&(stuck.path() + "&between_ms=300"));
    println!("{:?} after {:?}", answer.text(), answer.took);
    let text = answer.assert_ok().text();
    assert!(text.starts_with("status 200\nhello\nerror ") && text.contains("timeout"), "{text}");
    assert!(answer.took < Duration::from_secs(10), "{:?}", answer.took);
}

/// Row 75: a server whose queue is full, so that the connection is never made.
#[test]
fn connect_timeout_is_the_guests_error() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let _entered = runtime.enter();
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
    let full = socket.listen(1).expect("a listener");
    let address = full.local_addr().expect("an address");
    let mut queued = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(500)) {
        queued.push(stream);
        assert!(queued.len() < 64, "the queue takes everything");
    }
    let server = host("127.0.0.1:*", &[]);
    let answer = server.client().get(&format!("/?url=http://{address}/&connect_ms=300"));
    println!("{} after {:?}, {} in the queue", answer.text().trim(), answer.took, queued.len());
    assert!(answer.assert_ok().text().contains("ConnectionTimeout"), "{}", answer.text());
    assert!(answer.took < Duration::from_secs(10), "{:?}", answer.took);
}

/// What a server breaks off is told, and what it sends is not taken for whole.
#[test]
fn broken_server_is_the_guests_error() {
    let server = host("127.0.0.1:*", &[]);
    let nonsense = Upstream::saying("SSH-2.0-OpenSSH_9.9\r\n");
    let text = fetch(&server, &nonsense.path());
    assert!(text.starts_with("error "), "{text}");
    server.wait_idle();
}
