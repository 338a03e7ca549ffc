//! Requests' bodies: whole and in pieces, at and past their limit, broken off, and never read.

use crate::harness::{Connection, Server, guest};
use std::io::Write;
use std::time::Duration;

const CHUNKED: &str = "POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n";

fn post(length: u64) -> String {
    format!("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: {length}\r\n\r\n")
}

/// Bytes of every value, in no order that a mistake in framing would keep.
fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index.wrapping_mul(2_654_435_761) >> 11) as u8).collect()
}

#[test]
fn mebibyte_is_echoed_byte_for_byte() {
    let server = Server::start(&guest("echo"), &[]);
    let body = bytes(1 << 20);
    let answer = server.client().post("/", &body);
    answer.assert_ok();
    println!("1 MiB there and back: {:?}", answer.took);
    assert!(answer.body == body, "not what was sent");
}

#[test]
fn mebibyte_in_chunks_of_all_sizes_is_echoed_byte_for_byte() {
    let server = Server::start(&guest("echo"), &[]);
    let body = bytes(1 << 20);
    let mut connection = Connection::open(&server.client());
    let mut writer = connection.writer();
    let sent = body.clone();
    let sender = std::thread::spawn(move || {
        writer.write_all(CHUNKED.as_bytes())?;
        writer.write_all(b"Content-Type: application/x-bytes\r\n\r\n")?;
        let (mut rest, mut size) = (&sent[..], 1);
        while !rest.is_empty() {
            let (chunk, after) = rest.split_at(size.min(rest.len()));
            writer.write_all(format!("{:x}\r\n", chunk.len()).as_bytes())?;
            writer.write_all(chunk)?;
            writer.write_all(b"\r\n")?;
            (rest, size) = (after, size * 3 % 70_001);
        }
        writer.write_all(b"0\r\n\r\n")
    });
    let answer = connection.answer().expect("an answer");
    sender.join().expect("sender").expect("the host reads");
    assert_eq!(answer.assert_ok().header("transfer-encoding"), "chunked");
    assert_eq!(answer.header("content-type"), "application/x-bytes");
    assert!(answer.body == body, "not what was sent");
}

/// The response has begun before the request has ended.
#[test]
fn bodies_stream_both_ways_at_once() {
    let server = Server::start(&guest("echo"), &[]);
    let mut connection = Connection::open(&server.client());
    connection.send(format!("{CHUNKED}\r\n"));
    assert_eq!(connection.head_of_answer().expect("a head").status, 200);
    for piece in [&b"one"[..], b"two", b"three"] {
        connection.send_chunk(piece);
        assert_eq!(connection.chunk().expect("an echo"), piece);
    }
    connection.send("0\r\n\r\n");
    assert_eq!(connection.chunk().expect("an end"), b"");
}

#[test]
fn trailers_are_echoed_to_who_wants_them() {
    let server = Server::start(&guest("echo"), &[]);
    let mut connection = Connection::open(&server.client());
    connection.send(format!(
        "{CHUNKED}TE: trailers\r\nTrailer: x-checksum\r\n\r\n5\r\nhello\r\n0\r\nx-checksum: 7\r\n\r\n"
    ));
    assert_eq!(connection.answer().expect("an answer").assert_ok().text(), "hello");
    assert_eq!(connection.trailers.get("x-checksum").map(|value| value.as_bytes()), Some(&b"7"[..]));
}

#[test]
fn trailers_of_a_guest_arrive() {
    let server = Server::start(&guest("trailers"), &[]);
    for (te, expected) in [("TE: trailers\r\n", Some(&b"721"[..])), ("", None)] {
        let mut connection = Connection::open(&server.client());
        connection.send(format!("GET / HTTP/1.1\r\nHost: a.example\r\n{te}\r\n"));
        assert_eq!(connection.answer().expect("an answer").assert_ok().text(), "checked\n");
        assert_eq!(connection.trailers.get("x-checksum").map(|value| value.as_bytes()), expected, "{te}");
    }
}

/// Row 52: what is declared too large is refused before a byte of it is sent.
#[test]
fn declared_length_past_the_limit_answers_413_at_once() {
    let server = Server::start(&guest("read-body"), &["--max-body", "1KiB"]);
    let answer = server.client().post("/", &bytes(1024));
    assert_eq!(answer.assert_ok().text(), "read 1024 bytes\n");
    for length in [1025, 1 << 40] {
        let mut connection = Connection::open(&server.client());
        connection.send(post(length));
        connection.answer().expect("an answer").assert_problem(413, "body_too_large");
    }
    // Nor is it asked for.
    let mut connection = Connection::open(&server.client());
    let expecting = post(1025).replace("Host:", "Expect: 100-continue\r\nHost:");
    connection.send(expecting);
    connection.answer().expect("an answer").assert_problem(413, "body_too_large");
    server.wait_idle();
}

/// Row 52: without a length it is the byte too many that counts.
#[test]
fn chunked_body_past_the_limit_answers_413() {
    let server = Server::start(&guest("read-body"), &["--max-body", "1KiB"]);
    for (last, expected) in [(24, Ok("read 1024 bytes\n")), (25, Err("body_too_large"))] {
        let mut connection = Connection::open(&server.client());
        connection.send(format!("{CHUNKED}\r\n"));
        for length in [500, 500, last] {
            connection.send_chunk(&bytes(length));
        }
        connection.send("0\r\n\r\n");
        let answer = connection.answer().expect("an answer");
        match expected {
            Ok(text) => assert_eq!(answer.assert_ok().text(), text),
            Err(reason) => drop(answer.assert_problem(413, reason).clone()),
        }
    }
    server.log.wait_for(&["status=413", "reason=\"body_too_large\""]);
    server.wait_idle();
}

/// Row 52: once the head is sent, there is only the connection to cut.
#[test]
fn body_that_grows_too_large_after_the_head_cuts_the_response() {
    let server = Server::start(&guest("echo"), &["--max-body", "1KiB"]);
    let mut connection = Connection::open(&server.client());
    connection.send(format!("{CHUNKED}\r\n"));
    connection.send_chunk(&bytes(1024));
    assert_eq!(connection.head_of_answer().expect("a head").status, 200);
    assert_eq!(connection.chunk().expect("an echo"), bytes(1024));
    connection.send("1\r\nx\r\n0\r\n\r\n");
    assert!(connection.chunk().is_err(), "passed off as whole");
    server.log.wait_for(&["status=200", "reason=\"body_too_large\""]);
    server.wait_idle();
}

/// Row 53: the guest hears of it, and its place is free again.
#[test]
fn body_that_breaks_off_is_the_guests_read_error() {
    let server = Server::start(&guest("read-body"), &["--instances", "1"]);
    for request in [post(100) + "0123456789", format!("{CHUNKED}\r\na\r\n0123456789\r\n")] {
        let mut connection = Connection::open(&server.client());
        connection.send(request);
        connection.finish_sending();
        // Half-closed is not gone: there may be an answer, and then it is the guest's.
        if let Some(answer) = connection.answer() {
            println!("{}", answer.text().trim());
            assert!(answer.text().starts_with("error after 10 bytes: "), "{answer:?}");
        }
        server.wait_idle();
        assert_eq!(server.client().post("/", b"whole").assert_ok().text(), "read 5 bytes\n");
    }
}

/// Row 54: a gibibyte that nobody reads.
#[test]
fn unread_upload_leaves_the_response_standing_and_closes() {
    let server = Server::start(&guest("unread-body"), &["--max-body", "2GiB"]);
    let before = server.holdings().resident_kib;
    let mut connection = Connection::open(&server.client());
    connection.send(post(1 << 30));
    let mut writer = connection.writer();
    let sender = std::thread::spawn(move || {
        let (block, mut sent) = (vec![b'x'; 64 * 1024], 0_u64);
        while sent < 1 << 30 && writer.write_all(&block).is_ok() {
            sent += block.len() as u64;
        }
        sent
    });
    assert_eq!(connection.answer().expect("an answer").assert_ok().text(), "ok\n");
    assert_eq!(connection.rest(), b"");
    drop(connection);
    let sent = sender.join().expect("sender");
    let grown = server.holdings().resident_kib.saturating_sub(before);
    println!("closed after {} KiB of a GiB, {grown} KiB more resident", sent / 1024);
    assert!(sent < 1 << 29, "{sent}");
    assert!(grown < 64 * 1024, "{grown} KiB");
    server.client().get("/").assert_ok();
}

/// Row 67: encodings are between client and guest.
#[test]
fn compressed_body_passes_as_it_is() {
    let server = Server::start(&guest("echo"), &[]);
    let bomb = [&b"\x1f\x8b\x08\0\0\0\0\0\0\x03"[..], &bytes(1000)].concat();
    let answer = server.client().send("POST", "/", &[("content-encoding", "gzip")], Some(&bomb));
    assert!(answer.expect("an answer").assert_ok().body == bomb);
}

/// Row 39, for a guest that waits: the client is told.
#[test]
fn body_that_does_not_come_answers_408() {
    let server = Server::start(&guest("read-body"), &["--body-timeout", "300ms"]);
    let mut connection = Connection::open(&server.client());
    connection.send(post(100) + "0123456789");
    let answer = connection.answer().expect("an answer");
    answer.assert_problem(408, "body_timeout");
    println!("408 after {:?}", answer.took);
    assert!(answer.took > Duration::from_millis(200), "{:?}", answer.took);
    server.wait_idle();
}
