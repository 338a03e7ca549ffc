//! Connections that the host ends in the middle: what the other side can tell from it.

use crate::harness::{Server, guest};
use std::io::{ErrorKind, Read, Write};

/// Row 11: HTTP/1.0 has no last chunk that could be missing, so a cut body ends with a reset.
#[test]
fn cut_body_of_http_1_0_ends_with_a_reset() {
    let server = Server::start(&guest("wedge"), &["--timeout", "500ms"]);
    let mut stream = server.client().connect();
    stream.write_all(b"GET / HTTP/1.0\r\nhost: a.example\r\n\r\n").expect("a request");
    let mut received = Vec::new();
    let end = stream.read_to_end(&mut received).map_err(|error| error.kind());
    assert!(String::from_utf8_lossy(&received).contains("partial\n"), "the guest had begun");
    assert_eq!(end, Err(ErrorKind::ConnectionReset), "a mere close would look like the end");
    server.log.wait_for(&["status=200", "guest_timeout"]);
    server.wait_idle();
    server.stop();
}

/// Row 40: a client that never reads loses its connection, whatever became of the guest.
#[test]
fn client_that_never_reads_is_disconnected() {
    let server = Server::start(&guest("endless"), &["--timeout", "1s", "--write-timeout", "1s"]);
    let mut stream = server.client().connect();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a.example\r\n\r\n").expect("a request");
    // The line is written when the connection lets go of its request, and this side keeps it open.
    server.log.wait_for(&["request", "path=\"/\"", "status=200"]);
    server.wait_idle();
    drop(stream);
    server.stop();
}
