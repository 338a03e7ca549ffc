//! Memory as a budget: what is derived from the machine's limits, and what happens when it runs short.
//! The files that tell are ours where a test has to decide what they say.

use crate::harness::{Client, Connection, Server, command, eventually, guest};
use std::fs;
use std::path::PathBuf;

const MIB: u64 = 1 << 20;

/// A directory in which a machine tells of its memory.
struct Machine(tempfile::TempDir);

impl Machine {
    /// A group with a limit, of which half is taken.
    fn with_limit(limit_bytes: u64) -> Self {
        let machine = Self(tempfile::tempdir().expect("a directory"));
        machine.tell("proc/meminfo", "MemTotal: 67108864 kB\nMemAvailable: 33554432 kB\n");
        machine.tell("proc/self/cgroup", "0::/service\n");
        machine.tell("sys/fs/cgroup/service/memory.max", &limit_bytes.to_string());
        machine.tell("sys/fs/cgroup/service/memory.stat", "inactive_file 0\n");
        machine.take(limit_bytes / 2);
        machine
    }

    /// Says how much is taken now.
    fn take(&self, bytes: u64) {
        self.tell("sys/fs/cgroup/service/memory.current", &bytes.to_string());
    }

    fn tell(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().expect("below the root")).expect("a directory");
        // In one step, as the kernel would: nobody reads half a number.
        let draft = path.with_extension("draft");
        fs::write(&draft, text).expect("a file");
        fs::rename(draft, path).expect("a file");
    }

    /// A host on this machine.
    fn serve(&self, component: &str, arguments: &[&str]) -> Server {
        let root = self.0.path().display().to_string();
        Server::start_with(component, arguments, |command| {
            command.env("FAILPOINTS", format!("memory_root=return({root})"));
        })
    }
}

fn readiness(client: &Client) -> (u16, String) {
    let ready = client.get("/ready");
    (ready.status, ready.json()["status"].as_str().unwrap_or_default().to_owned())
}

/// Row 23: new work is refused before the kernel kills, and taken again by itself.
#[test]
#[cfg_attr(
    not(feature = "failpoints"),
    ignore = "needs a machine of its own: test with `--features failpoints`"
)]
fn short_memory_refuses_new_work_until_there_is_some_again() {
    let machine = Machine::with_limit(1000 * MIB);
    let server = machine.serve(&guest("sleep"), &["--instances", "4", "--memory-pressure", "90%"]);
    let client = server.client();
    client.get("/?ms=0").assert_ok();
    let running = client.get_later("/?ms=2000");
    eventually("the guest at work", || server.live_instances() == 1);

    machine.take(900 * MIB);
    eventually("short memory", || readiness(&client) == (503, "memory_pressure".to_owned()));
    let mut connection = Connection::open(&client);
    assert!(connection.send("GET /?ms=0 HTTP/1.1\r\nhost: test\r\n\r\n"));
    let refused = connection.answer().expect("an answer");
    refused.assert_problem(503, "memory_pressure");
    assert_eq!((refused.header("retry-after"), refused.header("connection")), ("5", "close"));
    assert!(connection.rest().is_empty(), "the connection is closed");
    assert_eq!(client.get("/health").status, 200);
    server.log.wait_for(&["memory is short"]);
    running.join().expect("client").expect("what was running goes on").assert_ok();

    machine.take(500 * MIB);
    eventually("memory again", || readiness(&client) == (200, "ready".to_owned()));
    client.get("/?ms=0").assert_ok();
    server.log.wait_for(&["memory is free again"]);
    server.stop();
}

/// What the page cache holds can be had back for the asking.
#[test]
#[cfg_attr(
    not(feature = "failpoints"),
    ignore = "needs a machine of its own: test with `--features failpoints`"
)]
fn cache_that_can_be_dropped_is_no_pressure() {
    let machine = Machine::with_limit(1000 * MIB);
    machine.tell("sys/fs/cgroup/service/memory.stat", &format!("inactive_file {}\n", 600 * MIB));
    machine.take(990 * MIB);
    let server = machine.serve(&guest("hello"), &[]);
    server.client().get("/").assert_ok();
    // The watch is awake: without the cache it is short at its next look.
    machine.tell("sys/fs/cgroup/service/memory.stat", "inactive_file 0\n");
    eventually("short memory", || readiness(&server.client()).0 == 503);
    server.stop();
}

#[test]
#[cfg_attr(
    not(feature = "failpoints"),
    ignore = "needs a machine of its own: test with `--features failpoints`"
)]
fn pressure_that_is_off_refuses_nobody() {
    let machine = Machine::with_limit(1000 * MIB);
    machine.take(1000 * MIB);
    let server = machine.serve(&guest("hello"), &["--memory-pressure", "off"]);
    server.client().get("/").assert_ok();
    let threads = fs::read_dir(format!("/proc/{}/task", server.pid())).expect("the process lives");
    let names = threads.map(|thread| fs::read_to_string(thread.expect("a thread").path().join("comm")));
    assert!(names.flatten().all(|name| name.trim() != "memory"), "nobody looks");
    server.stop();
}

/// 1 GiB has room for two instances and two streams of 130 MiB, in three quarters of it.
#[test]
#[cfg_attr(
    not(feature = "failpoints"),
    ignore = "needs a machine of its own: test with `--features failpoints`"
)]
fn instances_follow_the_memory_when_asked_to() {
    let machine = Machine::with_limit(1024 * MIB);
    let server = machine.serve(&guest("hello"), &["--instances", "auto"]);
    let ready = server.client().get("/ready").json();
    assert_eq!((ready["instances"]["max"].as_u64(), ready["streams"]["max"].as_u64()), (Some(2), Some(2)));
    server.client().get("/").assert_ok();
    server.stop();
    let server = machine.serve(&guest("hello"), &["--instances", "auto", "--memory", "6MiB"]);
    assert_eq!(server.client().get("/ready").json()["instances"]["max"], 48);
    server.stop();
}

#[test]
#[cfg_attr(
    not(feature = "failpoints"),
    ignore = "needs a machine of its own: test with `--features failpoints`"
)]
fn more_than_there_is_may_be_promised_but_not_silently() {
    let machine = Machine::with_limit(1024 * MIB);
    let server = machine.serve(&guest("hello"), &["--instances", "8"]);
    println!("{}", server.log.wait_for(&["8 instances and 8 streams", "--instances auto", "past 92%"]));
    server.stop();
    let server = machine.serve(&guest("hello"), &["--instances", "2"]);
    server.log.wait_for(&["ready", "memory_limit_bytes=1073741824"]);
    assert!(server.log.lines_with("--instances auto").is_empty());
    server.stop();
}

/// Row 22: a permit is always enough for an instance, however many ask.
#[test]
fn pool_is_never_exhausted_by_those_with_a_permit() {
    let settings = ["--instances", "4", "--max-streams", "0", "--queue", "4", "--queue-timeout", "60s"];
    let server = Server::start(&guest("alloc"), &settings);
    let asking: Vec<_> = (0..50).map(|_| server.client().get_later("/?mib=4&ms=100")).collect();
    let answers: Vec<_> =
        asking.into_iter().map(|asked| asked.join().expect("client").expect("an answer")).collect();
    for answer in &answers {
        match answer.status {
            200 => assert_eq!(answer.text(), "ok 4\n"),
            _ => {
                answer.assert_problem(503, "queue_full");
                assert!(answer.header("retry-after").parse::<u64>().is_ok_and(|s| (1..=60).contains(&s)));
            }
        }
    }
    assert!(answers.iter().any(|answer| answer.status == 200));
    server.wait_idle();
    server.stop();
}

/// Row 25: mappings that the kernel would refuse are never asked for, since a refused one ends the process.
#[test]
#[cfg_attr(
    not(feature = "failpoints"),
    ignore = "needs a machine of its own: test with `--features failpoints`"
)]
fn no_more_instances_live_than_the_kernel_has_mappings_for() {
    let machine = Machine::with_limit(64 * 1024 * MIB);
    // 4096 for the host, 2 for each of 20 stacks, and 2 for each of 3 memories.
    machine.tell("proc/sys/vm/max_map_count", "4142\n");
    let server = machine.serve(&guest("sleep"), &["--instances", "10", "--queue", "0"]);
    println!("{}", server.log.wait_for(&["of 20 instances and streams 3 may be alive", "vm.max_map_count"]));
    let held: Vec<_> = (0..3).map(|_| server.client().get_later("/?ms=2000")).collect();
    eventually("three instances at work", || server.live_instances() == 3);
    server.client().get("/?ms=0").assert_problem(503, "queue_full");
    for request in held {
        request.join().expect("client").expect("an answer").assert_ok();
    }
    server.wait_idle();
    server.client().get("/?ms=0").assert_ok();
    server.stop();
}

/// Row 25: a pool that the kernel cannot map at all is refused at start, with what to do.
#[test]
#[cfg_attr(
    not(feature = "failpoints"),
    ignore = "needs a machine of its own: test with `--features failpoints`"
)]
fn pool_with_more_mappings_than_there_are_is_refused_at_start() {
    let machine = Machine::with_limit(64 * 1024 * MIB);
    machine.tell("proc/sys/vm/max_map_count", "4000\n");
    let mut host = command();
    host.args(["serve", &guest("sleep"), "--listen", "127.0.0.1:0", "--instances", "10"]);
    host.env("FAILPOINTS", format!("memory_root=return({})", machine.0.path().display()));
    let output = host.output().expect("the binary starts");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    for part in ["20 instances and streams", "vm.max_map_count", "4000", "--max-streams"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

/// A control group of the first version below this process's own, gone with the test.
struct Group(PathBuf);

impl Group {
    fn create(limit_bytes: u64) -> Option<Self> {
        let own = fs::read_to_string("/proc/self/cgroup").ok()?;
        let path = own.lines().find_map(|line| line.split_once(":memory:/"))?.1.to_owned();
        let name = format!("wasm-host-test-{}", std::process::id());
        let group = Self(PathBuf::from("/sys/fs/cgroup/memory").join(path).join(name));
        fs::create_dir(&group.0).ok()?;
        fs::write(group.0.join("memory.limit_in_bytes"), limit_bytes.to_string()).ok()?;
        Some(group)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Its last process has ended, but the kernel may still be at it.
        eventually("an empty group", || fs::remove_dir(&self.0).is_ok() || !self.0.exists());
    }
}

/// Row 23, with the kernel's own files: guests that together want more than there is are refused,
/// and the process lives.
#[test]
fn guests_that_want_more_than_the_group_has_do_not_get_the_process_killed() {
    let Some(group) = Group::create(400 * MIB) else {
        println!("skipped: this machine lets nobody make a memory group");
        return;
    };
    let mut shell = std::process::Command::new("sh");
    let binary = command();
    // The shell joins the group and becomes the host.
    shell.args(["-c", "echo $$ > \"$1/cgroup.procs\" && shift && exec \"$0\" \"$@\""]);
    shell.arg(binary.get_program()).arg(&group.0).arg("serve").arg(guest("alloc"));
    shell.args(["--listen", "127.0.0.1:0", "--instances", "64", "--memory-pressure", "60%"]);
    let server = Server::spawn(&mut shell);
    let mut held = Vec::new();
    // Each takes 20 MiB and keeps them; a look comes between one and the next.
    for _ in 0..40 {
        held.push(server.client().get_later("/?mib=20&ms=4000"));
        let before = held.len() as u64;
        eventually("one more at work, or refused", || {
            server.live_instances() == before || readiness(&server.client()).0 == 503
        });
        if readiness(&server.client()).0 == 503 {
            break;
        }
        crate::harness::pause(std::time::Duration::from_millis(300));
    }
    println!("{} instances of 20 MiB in 400 MiB, of which 60 % may be taken", held.len());
    assert!((3..20).contains(&held.len()), "{}", held.len());
    server.client().get("/?mib=1").assert_problem(503, "memory_pressure");
    for request in held {
        let answer = request.join().expect("client").expect("an answer");
        assert!(matches!(answer.status, 200 | 503), "{answer:?}");
    }
    eventually("memory again", || readiness(&server.client()).0 == 200);
    server.client().get("/?mib=1").assert_ok();
    server.stop();
}
