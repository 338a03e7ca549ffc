//! Many bad requests: good ones are answered beside them, and afterwards the process is as before.

use crate::clients::ask;
use crate::harness::{Answer, Holdings, Server, Witness, eventually, guest, pause};
use crate::{Trial, alone};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Requests of a storm that are under way at once.
const CLIENTS: usize = 25;

/// Asks for `path` `count` times and checks every answer. Returns answers a second.
fn storm(server: &Server, path: &str, count: usize, check: fn(&Answer)) -> f64 {
    let (client, asked) = (server.client(), AtomicUsize::new(0));
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                while asked.fetch_add(1, Relaxed) < count {
                    check(&client.get(path));
                }
            });
        }
    });
    count as f64 / began.elapsed().as_secs_f64()
}

fn hello(answer: &Answer) {
    assert_eq!(answer.assert_ok().text(), "hello\n");
}

fn trapped(answer: &Answer) {
    answer.assert_problem(500, "guest_trap");
}

fn timed_out(answer: &Answer) {
    answer.assert_problem(504, "guest_timeout");
}

/// What an idle host holds, once it holds the same for a second.
#[track_caller]
pub(crate) fn at_rest(server: &Server) -> Holdings {
    server.wait_idle();
    let mut last = server.holdings();
    eventually("the host to come to rest", || {
        pause(Duration::from_secs(1));
        let before = std::mem::replace(&mut last, server.holdings());
        (before.threads, before.files) == (last.threads, last.files)
    });
    last
}

/// After 1,000 traps and 100 timeouts the process has its baseline of threads, file descriptors and
/// instances, and its memory is flat.
#[test]
fn after_1000_traps_and_100_timeouts_the_process_is_as_before() {
    let _alone = alone();
    let arguments = ["--threads", "2", "--timeout", "200ms", "--log-format", "json"];
    let server = Server::start(&guest("mixed"), &arguments);
    storm(&server, "/", 100, hello);
    storm(&server, "/trap", 50, trapped);
    storm(&server, "/sleep", 25, timed_out);
    storm(&server, "/spin", 25, timed_out);
    let before = at_rest(&server);

    let witness = Witness::start(server.client());
    storm(&server, "/trap", 1000, trapped);
    storm(&server, "/sleep", 50, timed_out);
    storm(&server, "/spin", 50, timed_out);
    storm(&server, "/", 100, hello);
    let testimony = witness.testify();
    println!("1,000 traps, 100 timeouts: {testimony}");
    testimony.assert_unharmed();

    server.wait_idle();
    eventually("threads and files to be back", || {
        let now = server.holdings();
        now.threads <= before.threads && now.files <= before.files
    });
    let after = server.holdings();
    println!("before: {before:?}\nafter:  {after:?}");
    let resident_kib_max = before.resident_kib + before.resident_kib / 10 + 8 * 1024;
    assert!(after.resident_kib <= resident_kib_max, "{after:?} is more than {resident_kib_max} KiB");
    server.stop();
}

/// Row 27: a trap costs the host hardly more than an answer, so a storm of them starves nobody.
#[test]
fn trap_storm_is_nearly_as_fast_as_good_answers() {
    let _alone = alone();
    let trial = Trial::begin(&guest("mixed"), &[]);
    storm(&trial.server, "/", 500, hello);
    // In turns, so that what else the machine does falls on both alike.
    let (mut good, mut bad) = (0.0, 0.0);
    for _ in 0..10 {
        good += storm(&trial.server, "/", 200, hello) / 10.0;
        bad += storm(&trial.server, "/trap", 200, trapped) / 10.0;
    }
    println!("2,000 answers: {good:.0}/s; 2,000 traps: {bad:.0}/s, {:.2} of it", bad / good);
    assert!(bad > 0.7 * good, "{bad} traps a second, {good} answers");
    storm(&trial.server, "/", 100, hello);
    trial.end();
}

/// With 8 looping guests in flight on 2 threads, `/health` and a hello of the same handler both keep
/// answering.
#[test]
fn hello_and_health_keep_answering_beside_8_loops() {
    let _alone = alone();
    let trial = Trial::begin(&guest("mixed"), &[]);
    let loops: Vec<_> = (0..8).map(|_| ask(&trial, "/spin")).collect();
    eventually("8 loops in flight", || trial.server.live_instances() == 8);
    let mut times: Vec<_> = (0..100)
        .map(|_| {
            let answer = trial.get("/");
            hello(&answer);
            answer.took
        })
        .collect();
    times.sort();
    println!("100 hellos beside 8 loops: median {:.1?}, slowest {:.1?}", times[50], times[99]);
    eventually("only the loops to be there", || trial.server.live_instances() == 8);
    drop(loops);
    trial.end();
}
