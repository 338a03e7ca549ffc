//! What a guest is given: nothing of the machine it runs on, unless by name.

use crate::harness::{Connection, Server, guest};
use std::net::TcpListener;

#[test]
fn granted_variables_are_all_that_a_guest_is_given() {
    let server =
        Server::start_with(&guest("env"), &["--env", "GREETING=moin = hallo", "--env", "EMPTY="], |host| {
            host.env("SECRET", "the host's own");
        });
    let text = server.client().get("/").assert_ok().text();
    let expected = "environment 2\n  GREETING=moin = hallo\n  EMPTY=\narguments 0\npreopens 0\ncwd none\n";
    assert_eq!(text, expected);
}

/// What is granted in a file can be withdrawn by a flag, without editing the file.
#[test]
fn grants_of_a_flag_replace_those_of_the_file() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let file = "[env]\nONE = \"1\"\nTWO = \"2\"\n";
    std::fs::write(directory.path().join("wasm-host.toml"), file).expect("settings");
    for (flags, expected) in [
        (&[][..], "environment 2\n  ONE=1\n  TWO=2\n"),
        (&["--env", "THREE=3"], "environment 1\n  THREE=3\n"),
    ] {
        let server = Server::start_with(&guest("env"), flags, |host| {
            host.current_dir(&directory);
        });
        let text = server.client().get("/").assert_ok().text();
        assert!(text.starts_with(expected), "{text}");
    }
}

/// Row 34: the environment, the arguments and the files of the host are its own.
#[test]
fn nothing_is_inherited_from_the_host() {
    let server = Server::start_with(&guest("env"), &[], |host| {
        host.env("SECRET", "the host's own");
    });
    let text = server.client().get("/").assert_ok().text();
    assert_eq!(text, "environment 0\narguments 0\npreopens 0\ncwd none\n");
}

/// Row 34: there are no files, by any path.
#[test]
fn no_file_is_reachable() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let server = Server::start_with(&guest("files"), &[], |host| {
        host.current_dir(&directory);
    });
    let text = server.client().get("/").assert_ok().text();
    assert_eq!(text.lines().count(), 9, "{text}");
    assert!(text.lines().all(|line| !line.ends_with(" ok")), "{text}");
    assert_eq!(std::fs::read_dir(&directory).expect("directory").count(), 0);
}

/// The host's frames are its own, also where an operator wants to see them.
#[test]
fn backtraces_of_the_host_are_not_for_guests() {
    let server = Server::start_with(&guest("read-body"), &[], |host| {
        host.env("RUST_BACKTRACE", "full");
    });
    let mut connection = Connection::open(&server.client());
    connection.send("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 9\r\n\r\nhello");
    connection.finish_sending();
    // The guest repeats what the host told it of the error.
    let text = connection.answer().expect("an answer").assert_ok().text();
    assert_eq!(text, "error after 5 bytes: connection terminated\n");
}

#[test]
fn standard_input_is_empty() {
    let server = Server::start(&guest("stdin"), &[]);
    assert_eq!(server.client().get("/").assert_ok().text(), "read 0\n");
}

/// Row 78: sockets of one's own are denied, all of them, also to what outbound requests may reach.
#[test]
fn sockets_are_denied_even_where_requests_are_granted() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.set_nonblocking(true).expect("a socket option");
    let port = listener.local_addr().expect("an address").port();
    let server = Server::start(&guest("sockets"), &["--allow-outbound", &format!("127.0.0.1:{port}")]);
    let text = server.client().get(&format!("/?port={port}")).assert_ok().text();
    // A lookup that is not allowed fails like one that finds nothing.
    let denied = "tcp create access-denied\nudp create access-denied\n\
                  lookup resolve-addresses permanent-resolver-failure\n";
    assert_eq!(text, denied);
    assert!(listener.accept().is_err(), "a connection arrived");
}
