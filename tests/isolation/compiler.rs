//! Compiling is kept away: in a process of its own, within limits, and whatever a component makes of it, what is
//! served goes on.

use super::alone;
use super::harness::{ChildProcess, SOON, Server, bombs, command, eventually, guest, run};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A directory to serve, with `hello` in it, and a cache beside it which has that compiled already.
struct Site {
    directory: TempDir,
    cache: TempDir,
}

impl Site {
    fn new() -> Self {
        let temporary = || tempfile::tempdir().expect("temporary directory");
        let site = Self { directory: temporary(), cache: temporary() };
        fs::copy(guest("hello"), site.directory.path().join("hello.wasm")).expect("component");
        site.serve(&[], |_| {}).stop();
        site
    }

    fn serve(&self, arguments: &[&str], change: impl FnOnce(&mut Command)) -> Server {
        let cache = self.cache.path().to_str().expect("UTF-8");
        let arguments = [&["--cache", cache, "--instances", "50"], arguments].concat();
        Server::start_with(self.directory.path().to_str().expect("UTF-8"), &arguments, change)
    }

    fn add(&self, name: &str, component: impl AsRef<[u8]>) {
        fs::write(self.directory.path().join(format!("{name}.wasm")), component).expect("component");
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.directory.path().join(format!("{name}.wasm"))).expect("it was there");
    }
}

fn answers(server: &Server) {
    assert_eq!(server.client().get("/hello").assert_ok().text().trim_end(), "Hello from /hello");
}

/// The process that compiles for `server`, as soon as there is one.
#[track_caller]
fn compiler_of(server: &Server) -> ChildProcess {
    let mut found = None;
    eventually("a process that compiles", || {
        let children = ChildProcess::of(server.pid());
        found = children.into_iter().find(|child| child.proc("cmdline").contains("compile-for-host"));
        found.is_some()
    });
    found.expect("just found")
}

/// Reloads, and has hello asked until the log has a line with `parts`.
#[track_caller]
fn reload_until(server: &Server, parts: &[&str]) -> (String, u32) {
    let before = server.log.lines_with("").len();
    server.signal("HUP");
    let (due, mut asked) = (Instant::now() + SOON, 0);
    loop {
        let lines = server.log.lines_with("").split_off(before);
        if let Some(line) = lines.iter().find(|line| parts.iter().all(|part| line.contains(part))) {
            return (line.clone(), asked);
        }
        assert!(Instant::now() < due, "no line with {parts:?}: {lines:?}");
        answers(server);
        asked += 1;
    }
}

/// What the binary says when it does not start with this component.
#[track_caller]
fn refused(component: impl AsRef<[u8]>, arguments: &[&str]) -> String {
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path().join("bomb.wasm");
    fs::write(&path, component).expect("component");
    let path = path.to_str().expect("UTF-8");
    let began = Instant::now();
    let output =
        run(&[&[path, "--listen", "127.0.0.1:0", "--cache", "off", "--instances", "5"], arguments].concat());
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    println!("{:.1?}: {}", began.elapsed(), text.lines().last().unwrap_or_default());
    assert_eq!(output.status.code(), Some(78), "{text}");
    assert!(text.starts_with(&format!("error: cannot serve {path}\n  cause: ")), "{text}");
    text
}

/// Row 87: whatever takes the compiler too long is given up, and hello is answered all the while.
#[test]
fn a_compile_bomb_is_refused_while_hello_answers() {
    let _alone = alone();
    let site = Site::new();
    let server = site.serve(&["--compile-timeout", "4s"], |_| {});
    answers(&server);
    let before = server.holdings();
    site.add("bomb", bombs::one_function(7_000_000));
    // By CPU time, or by the clock where others leave the lowest priority none.
    let (line, asked) = reload_until(&server, &["cannot reload", "bomb.wasm", "given up", "compile-timeout"]);
    println!("{asked} answers meanwhile; {line}");
    assert!(asked > 10, "{asked}");
    server.client().get("/bomb").assert_problem(404, "no_route");
    assert!(ChildProcess::of(server.pid()).is_empty(), "the compiler is gone");
    eventually("the files of before", || server.holdings().files <= before.files);
    // What is not a bomb is served as ever, also after it.
    site.remove("bomb");
    site.add("more", fs::read(guest("hello3")).expect("guest"));
    reload_until(&server, &["reloaded", "loaded=\"more\""]);
    server.client().get("/more").assert_ok();
    server.stop();
}

/// Rows 87 and 89: each bomb is refused for what it is.
#[test]
fn each_bomb_is_refused_for_what_it_is() {
    let _alone = alone();
    let exports: String = (0..100_000).map(|at| format!("(export \"e{at}\" (func 0))")).collect();
    let exports = format!("(component (core module (func) {exports}))");
    let instances = format!("(component {})", "(core instance)".repeat(1000));
    let parsed = |text: &str| wat::parse_str(text).expect("test component");
    let (most, within) = ("80000", &["--compile-timeout", "2s"]);
    for (bomb, parts) in [
        (bombs::functions(100_000), ["too complex", "100000 functions", most]),
        (parsed(&exports), ["too complex", "100000 exports", "50000"]),
        (parsed(&instances), ["too complex", "1000 instances", "500"]),
        (bombs::nested_types(1_000_000), ["too complex", "types inside each other", "32"]),
        (parsed(&bombs::instances_of_instances(9)), ["given up", "of ", "compile-"]),
    ] {
        let text = refused(bomb, within);
        assert!(parts.iter().all(|part| text.contains(part)), "{parts:?}: {text}");
    }
}

/// Row 87: memory is bounded as well as time.
#[test]
fn a_component_that_takes_the_compiler_too_much_memory_is_refused() {
    let _alone = alone();
    let text = refused(bombs::one_function(7_000_000), &["--compile-memory", "256MiB"]);
    assert!(text.contains("256.0 MiB of memory") && text.contains("compile-memory"), "{text}");
}

/// Row 21: what needs a collector of garbage is refused by name, and told from what is not valid.
#[test]
fn proposals_that_are_off_are_refused_as_such() {
    let _alone = alone();
    let parsed = |text: &str| wat::parse_str(text).expect("test component");
    let text = refused(parsed("(component (core module (type (struct (field i32)))))"), &[]);
    assert!(text.contains("does not support") && text.contains("gc"), "{text}");
    let text = refused(parsed("(component (core module (func (result i32))))"), &[]);
    assert!(text.contains("not valid") && text.contains("at byte"), "{text}");
}

/// Row 13: more memories than there is room for are refused while the host serves, and absurd numbers at start.
#[test]
fn memories_that_there_is_no_room_for_are_refused() {
    let _alone = alone();
    let memories = |count: usize| format!("(component {})", "(core module (memory 1))".repeat(count));
    let parsed = |count: usize| wat::parse_str(memories(count)).expect("test component");
    let text = refused(parsed(65), &[]);
    assert!(text.contains("needs too much") && text.contains("65 memories"), "{text}");
    let site = Site::new();
    let server = site.serve(&[], |_| {});
    site.add("many", parsed(5));
    reload_until(&server, &["cannot reload", "many.wasm", "needs 5 memories", "start it anew"]);
    server.stop();
}

/// A host that was started for handlers of WASI 0.2 has room for one of 0.3, and the other way round.
#[test]
fn a_handler_of_the_other_world_can_come_later() {
    let _alone = alone();
    for (first, later) in [("hello", "hello3"), ("hello3", "hello")] {
        let directory = tempfile::tempdir().expect("temporary directory");
        fs::copy(guest(first), directory.path().join("first.wasm")).expect("component");
        let server = Server::start(directory.path().to_str().expect("UTF-8"), &[]);
        fs::copy(guest(later), directory.path().join("later.wasm")).expect("component");
        server.signal("HUP");
        server.log.wait_for(&["reloaded", "loaded=\"later\""]);
        for path in ["/first", "/later"] {
            server.client().get(path).assert_ok();
        }
        server.stop();
    }
}

/// Row 88: a compiler that panics or ends the process is a refusal.
#[test]
#[cfg_attr(not(feature = "failpoints"), ignore = "needs the feature `failpoints`")]
fn a_compiler_that_crashes_is_a_refusal() {
    let _alone = alone();
    let site = Site::new();
    for (point, part) in [("compiler=panic(ouch)", "panicked: ouch"), ("compiler=return", "SIGABRT")] {
        let server = site.serve(&[], |command| {
            command.env("FAILPOINTS", point);
        });
        site.add("new", bombs::renamed(&fs::read(guest("env")).expect("guest"), point));
        let (line, _) = reload_until(&server, &["cannot reload", "new.wasm", "the compiler failed", part]);
        println!("{line}");
        answers(&server);
        server.stop();
        site.remove("new");
    }
}

/// The process that compiles has nothing of the host's, and the lowest priority, and does not outlive it.
#[test]
#[cfg_attr(not(feature = "failpoints"), ignore = "needs the feature `failpoints`")]
fn the_compiler_has_nothing_of_the_hosts_and_does_not_outlive_it() {
    let _alone = alone();
    let site = Site::new();
    let secret = tempfile::NamedTempFile::new().expect("a file");
    // The descriptor is inherited: what a shell has opened is not closed when it runs another program.
    let mut host = Command::new("sh");
    host.args(["-c", "exec 9<\"$0\"; exec \"$@\""]).arg(secret.path());
    let plain = command();
    host.arg(plain.get_program()).env("FAILPOINTS", "compiler=sleep(600000)").env("SECRET", "hunter2");
    host.current_dir(plain.get_current_dir().expect("set"));
    for (name, value) in plain.get_envs() {
        host.env(name, value.unwrap_or_default());
    }
    host.args([site.directory.path(), Path::new("--cache"), site.cache.path()]);
    host.args(["--listen", "127.0.0.1:0", "--instances", "50"]);
    let mut server = Server::spawn(&mut host);
    answers(&server);
    let passed = |pid: u32| fs::read_link(format!("/proc/{pid}/fd/9")).ok();
    assert_eq!(passed(server.pid()).as_deref(), Some(secret.path()), "the host itself has it");

    site.add("slow", fs::read(guest("env")).expect("guest"));
    server.signal("HUP");
    let compiler = compiler_of(&server);
    eventually("the lowest priority", || {
        ChildProcess::of(server.pid()).iter().any(|child| child.policy == 5 && child.nice == 19)
    });
    let files = compiler.files();
    assert!(files.len() >= 3 && files.iter().all(|file| file.starts_with("pipe:")), "{files:?}");
    let environment = compiler.proc("environ");
    let mut names: Vec<_> =
        environment.split('\0').filter_map(|it| it.split_once('=')).map(|it| it.0).collect();
    names.sort_unstable();
    assert_eq!(names, ["FAILPOINTS", "MIMALLOC_ARENA_RESERVE", "RAYON_NUM_THREADS"]);
    let limits = compiler.proc("limits");
    for (name, value) in
        [("Max cpu time", "180"), ("Max core file size", "0"), ("Max address space", "3221225472")]
    {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        assert!(line[name.len()..].trim_start().starts_with(value), "{name}: {limits}");
    }
    answers(&server);

    server.signal("KILL");
    server.wait();
    eventually("the compiler to be gone", || !compiler.lives());
}

/// Also a host that stops in order does not wait for what it compiles, and leaves nothing behind.
#[test]
#[cfg_attr(not(feature = "failpoints"), ignore = "needs the feature `failpoints`")]
fn a_host_that_stops_takes_its_compiler_along() {
    let _alone = alone();
    let site = Site::new();
    let server = site.serve(&[], |command| {
        command.env("FAILPOINTS", "compiler=sleep(600000)");
    });
    site.add("slow", fs::read(guest("env")).expect("guest"));
    server.signal("HUP");
    let compiler = compiler_of(&server);
    let began = Instant::now();
    server.stop();
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    eventually("the compiler to be gone", || !compiler.lives());
}

/// What computes nothing is given up as well, by the clock.
#[test]
#[cfg_attr(not(feature = "failpoints"), ignore = "needs the feature `failpoints`")]
fn a_compiler_that_does_nothing_is_given_up() {
    let _alone = alone();
    let site = Site::new();
    let server = site.serve(&["--compile-timeout", "1s"], |command| {
        command.env("FAILPOINTS", "compiler=sleep(600000)");
    });
    site.add("slow", fs::read(guest("env")).expect("guest"));
    let (_, asked) = reload_until(&server, &["cannot reload", "slow.wasm", "not done after 5s"]);
    assert!(asked > 100, "{asked}");
    assert!(ChildProcess::of(server.pid()).is_empty());
    server.stop();
}

/// `--compile-jobs` bounds how many compile at once; the others wait for their turn.
#[test]
#[cfg_attr(not(feature = "failpoints"), ignore = "needs the feature `failpoints`")]
fn no_more_compile_at_once_than_may() {
    let _alone = alone();
    let site = Site::new();
    let server = site.serve(&["--compile-jobs", "1"], |command| {
        command.env("FAILPOINTS", "compiler=sleep(300)");
    });
    let component = fs::read(guest("env")).expect("guest");
    for name in ["a", "b", "c"] {
        site.add(name, bombs::renamed(&component, name));
    }
    server.signal("HUP");
    let mut most = 0;
    eventually("all of them", || {
        most = most.max(ChildProcess::of(server.pid()).len());
        !server.log.lines_with("reloaded").is_empty()
    });
    assert_eq!(most, 1);
    for path in ["/a", "/b", "/c"] {
        server.client().get(path).assert_ok();
    }
    server.stop();
}

/// Where a flipped bit is looked for: everywhere in the head, and in a byte of every 4096 of the code.
fn flips(length: usize) -> Vec<usize> {
    const HEAD: usize = 120;
    (0..HEAD).chain((HEAD..length).step_by(4096)).chain([length - 1]).collect()
}

/// Row 86: a flipped bit anywhere in a cached file is found, reported and mended.
#[test]
fn a_flipped_bit_in_the_cache_is_recompiled_reported_and_served() {
    let _alone = alone();
    let (directory, cache) =
        (tempfile::tempdir().expect("directory"), tempfile::tempdir().expect("directory"));
    let component = fs::read(guest("hello")).expect("guest");
    let serve = || {
        let cache = cache.path().to_str().expect("UTF-8");
        Server::start(directory.path().to_str().expect("UTF-8"), &["--cache", cache, "--instances", "10"])
    };
    let cached = || {
        let entries =
            fs::read_dir(cache.path()).expect("the cache").map(|entry| entry.expect("an entry").path());
        let mut files: Vec<_> =
            entries.filter(|path| path.extension().is_some_and(|it| it == "code")).collect();
        files.sort();
        files
    };
    let handler = |at: usize| format!("h{at}");
    fs::write(directory.path().join("h0.wasm"), bombs::renamed(&component, "0")).expect("component");
    serve().stop();
    let places = flips(fs::metadata(&cached()[0]).expect("a file").len() as usize);
    // As many handlers as there are places: they differ in a name, and their code in nothing.
    for at in 1..places.len() {
        let path = directory.path().join(handler(at) + ".wasm");
        fs::write(path, bombs::renamed(&component, &at.to_string())).expect("component");
    }
    serve().stop();
    let files = cached();
    assert_eq!(files.len(), places.len());
    let whole: Vec<_> = files.iter().map(|file| fs::read(file).expect("code")).collect();
    for ((file, whole), place) in files.iter().zip(&whole).zip(&places) {
        let mut flipped = whole.clone();
        flipped[*place] ^= 1 << (place % 8);
        fs::write(file, flipped).expect("code");
    }
    let server = serve();
    eventually("a report of each", || server.log.lines_with("reason=\"aot_rejected\"").len() == places.len());
    for at in 0..places.len() {
        assert!(server.client().get(&format!("/{}", handler(at))).assert_ok().text().starts_with("Hello"));
    }
    server.stop();
    for (file, whole) in files.iter().zip(&whole) {
        assert!(fs::read(file).expect("code") == *whole, "{}: not what it was", file.display());
    }
    println!("{} flips in files of {} bytes", places.len(), whole[0].len());
    let server = serve();
    server.client().get("/h0").assert_ok();
    assert_eq!(server.log.lines_with("aot_rejected").len(), 0);
    server.stop();
}

/// Nothing but code and the key is in the cache, and nobody else may read the key.
#[test]
fn the_cache_is_its_owners_alone() {
    let _alone = alone();
    use std::os::unix::fs::MetadataExt;
    let above = tempfile::tempdir().expect("temporary directory");
    let cache = above.path().join("a/b");
    let settings = ["--cache", cache.to_str().expect("UTF-8"), "--code-profile", "auto"];
    Server::start(&guest("hello"), &settings).stop();
    let mode = |path: &Path| fs::metadata(path).expect("it is there").mode() & 0o777;
    assert_eq!((mode(&cache), mode(&cache.join("key"))), (0o700, 0o600));
    let files: Vec<_> =
        fs::read_dir(&cache).expect("the cache").map(|entry| entry.expect("an entry")).collect();
    // The key, the code and, with the usual code profile, the component.
    assert_eq!(files.len(), 3, "{files:?}");
    assert!(files.iter().all(|file| mode(&file.path()) == 0o600));
}

/// Where nothing is cached, the compiled code is what came through the pipe.
#[test]
fn without_a_cache_components_are_served_and_nothing_is_kept() {
    let _alone = alone();
    let home = tempfile::tempdir().expect("temporary directory");
    let server = Server::start_with(&guest("hello"), &["--cache", "off"], |command| {
        command.env("HOME", home.path()).env_remove("XDG_CACHE_HOME");
    });
    server.client().get("/").assert_ok();
    server.stop();
    assert_eq!(fs::read_dir(home.path()).expect("a directory").count(), 0);
}
