//! The server that checks of outgoing requests talk to: what it answers is chosen by the path.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What one request of a path was like.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    #[expect(dead_code, reason = "tells which one it was where a test fails")]
    pub(super) path: String,
    /// Whether head and body came to their end.
    pub(super) whole: bool,
}

/// The server. Its threads end with the test's process: nothing else waits for them.
pub(super) struct Upstream {
    pub(super) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Upstream {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = seen.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let log = log.clone();
                std::thread::spawn(move || serve(stream, &log));
            }
        });
        Self { address, seen }
    }

    /// The requests so far.
    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("requests").clone()
    }
}

fn serve(mut stream: TcpStream, log: &Mutex<Vec<Seen>>) {
    let (request, whole) = read(&mut stream);
    let path = String::from_utf8_lossy(&request);
    let path = path.split(' ').nth(1).unwrap_or_default().to_owned();
    log.lock().expect("requests").push(Seen { path: path.clone(), whole });
    let route = path.split('?').next().unwrap_or_default();
    // A guest that has gone needs no answer.
    let _ = stream.write_all(&answer(route, &request));
    if matches!(route, "/silent" | "/half") {
        // Until the other side gives up.
        let _ = stream.read(&mut [0; 1]);
    }
    let _ = stream.shutdown(Shutdown::Both);
}

fn answer(route: &str, request: &[u8]) -> Vec<u8> {
    let head = "connection: close\r\n";
    if let Some(status) = route.strip_prefix("/status/") {
        return format!("HTTP/1.1 {status} x\r\n{head}content-length: 0\r\n\r\n").into_bytes();
    }
    match route {
        "/silent" => Vec::new(),
        "/nonsense" => b"SSH-2.0-OpenSSH_9.9\r\n".to_vec(),
        "/half" | "/broken" => format!("HTTP/1.1 200 OK\r\n{head}content-length: 10\r\n\r\nhello").into(),
        "/trailers" => format!(
            "HTTP/1.1 200 OK\r\n{head}transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-sum: 7\r\n\r\n"
        )
        .into(),
        "/fields" => {
            let fields = b"x-twice: a\r\nx-twice: b\r\nx-bytes: caf\xe9\r\ncontent-length: 0\r\n\r\n";
            [b"HTTP/1.1 200 OK\r\n", head.as_bytes(), fields].concat()
        }
        "/" | "/echo" => {
            let head = format!("HTTP/1.1 200 OK\r\n{head}content-length: {}\r\n\r\n", request.len());
            [head.as_bytes(), request].concat()
        }
        _ => format!("HTTP/1.1 200 OK\r\n{head}content-length: 5\r\n\r\nhello").into(),
    }
}

/// Reads a request, and tells whether it came to its end.
fn read(stream: &mut TcpStream) -> (Vec<u8>, bool) {
    let mut request = Vec::new();
    loop {
        if is_whole(&request) {
            return (request, true);
        }
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => return (request, false),
            Ok(count) => request.extend_from_slice(&chunk[..count]),
        }
    }
}

fn is_whole(request: &[u8]) -> bool {
    let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
    let body = &request[end + 4..];
    if head.contains("\r\ntransfer-encoding: chunked") {
        return body.starts_with(b"0\r\n") && body.ends_with(b"\r\n\r\n")
            || body.windows(5).any(|window| window == b"\r\n0\r\n") && body.ends_with(b"\r\n\r\n");
    }
    let length =
        head.split("\r\ncontent-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()?.parse().ok());
    body.len() >= length.unwrap_or(0)
}
