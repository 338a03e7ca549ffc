//! More connections than there may be, and fewer file descriptors than there should be.

use crate::harness::{Connection, H2, Server, eventually, guest};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use std::net::TcpStream;

/// Opens `count` connections that are served, and keeps them.
fn hold(server: &Server, count: usize) -> Vec<Connection> {
    let open = |_| {
        let mut connection = Connection::open(&server.client());
        connection.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
        connection.answer().expect("an answer").assert_ok();
        connection
    };
    (0..count).map(open).collect()
}

/// Row 41: whoever holds all connections does not hold `/health`.
#[test]
fn own_endpoints_answer_beyond_the_limit_of_connections() {
    let server = Server::start(&guest("hello"), &["--max-connections", "4"]);
    let mut held = hold(&server, 4);
    let client = server.client();
    for _ in 0..50 {
        assert_eq!(client.get("/health").json()["status"], "ok");
        assert_eq!(client.get("/ready").json()["status"], "ready");
        let refused = client.get("/");
        refused.assert_problem(503, "too_many_connections");
        assert_eq!(refused.header("retry-after"), "1");
    }
    let mut turned_away = Connection::open(&client);
    turned_away.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
    let answer = turned_away.answer().expect("an answer");
    answer.assert_problem(503, "too_many_connections");
    assert_eq!(answer.header("connection"), "close");
    assert_eq!(turned_away.rest(), b"");

    let mut new = H2::open(&client);
    assert_eq!(new.get("/health").json()["status"], "ok");
    new.get("/").assert_problem(503, "too_many_connections");
    drop(new);

    server.log.wait_for(&["request ", "reason=\"too_many_connections\""]);
    held.pop();
    eventually("a connection is free", || client.get("/").status == 200);
}

/// Row 41: silent connections hold the reserve no longer than until the next one comes.
#[test]
fn nobody_can_hold_the_reserve() {
    let server = Server::start(&guest("hello"), &["--max-connections", "2"]);
    let _held = hold(&server, 2);
    let before = server.holdings().files;
    let silent: Vec<TcpStream> = (0..500).map(|_| server.client().connect()).collect();
    for _ in 0..20 {
        assert_eq!(server.client().get("/health").status, 200);
    }
    let files = server.holdings().files - before;
    println!("{files} more files for {} silent connections", silent.len());
    assert!(files <= 40, "{files} more");
}

/// Row 101: without a file descriptor left the host waits, says so, and goes on when there are some.
#[test]
fn host_without_file_descriptors_recovers() {
    let server = Server::start(&guest("hello"), &["--max-connections", "1000"]);
    let mut held = hold(&server, 4);
    let pid = Pid::from_raw(i32::try_from(server.pid()).expect("a process")).expect("a process");
    let limit = u64::try_from(server.holdings().files).expect("a number") + 2;
    // Only the limit in force is lowered: the host was started with these.
    let few = Rlimit { current: Some(limit), ..getrlimit(Resource::Nofile) };
    prlimit(Some(pid), Resource::Nofile, few).expect("a lower limit");
    let began = cpu_ticks(server.pid());
    let waiting: Vec<TcpStream> = (0..20).map(|_| server.client().connect()).collect();
    server.log.wait_for(&["accept failed"]);
    for connection in &mut held {
        connection.send("GET /health HTTP/1.1\r\nHost: a.example\r\n\r\n");
        connection.answer().expect("an answer").assert_ok();
    }
    // Some more of the same: a loop that does not wait between two failures would burn a core.
    eventually("ten failures", || server.log.lines_with("accept failed").len() >= 10);
    let spent = cpu_ticks(server.pid()) - began;
    println!("{spent} hundredths of a second of CPU while nothing could be accepted");
    assert!(spent < 25, "{spent}");
    drop((waiting, held));
    eventually("the host accepts again", || {
        server.client().send("GET", "/", &[], None).is_ok_and(|answer| answer.status == 200)
    });
}

/// The CPU time that a process has used, in hundredths of a second.
fn cpu_ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process lives");
    let fields: Vec<&str> = stat.rsplit(") ").next().expect("fields").split(' ').collect();
    let field = |index: usize| fields[index].parse::<u64>().expect("a number");
    field(11) + field(12)
}
