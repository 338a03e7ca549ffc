//! The host's side of one compilation: starts the process, hands it the component, takes what it answers, and
//! has it gone when it is done or when its time is up.

use super::order::{Answer, Order, Refusal, bounded, is_out_of_memory, read_line, write_line};
use super::vouched::Vouched;
use crate::sandbox::component::LoadError;
use bytesize::ByteSize;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::Signal;
use std::io::{self, Read};
#[cfg(feature = "failpoints")]
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// The word by which this program compiles for another process of it.
pub const COMPILE_WORD: &str = "compile-for-host";

/// How often who waits is told so.
const TICK: Duration = Duration::from_millis(250);
/// Read from a pipe at once.
const READ_BYTES: usize = 256 * 1024;
/// Bytes of the compiler's standard error that are kept: its last words, which come first when it panics.
const LAST_WORDS_BYTES_MAX: usize = 4096;
/// Threads of one compilation at most, where there are as many cores.
const THREADS_MAX: usize = 8;
/// KiB of addresses that the allocator takes at a time.
const ARENA_KIB: &str = "65536";
/// The first descriptor that a process has no use for.
const FIRST_OTHER_DESCRIPTOR: i32 = 3;

/// Has `component` compiled, within `time` and what the order says; `waiting` is called a few times a second.
pub(super) fn compile(
    order: &Order,
    component: &[u8],
    time: Duration,
    mut waiting: impl FnMut(),
) -> Result<Vouched, LoadError> {
    let due = Instant::now() + time;
    let mut process = Process::start().map_err(LoadError::NoCompiler)?;
    let mut stdin = process.child.stdin.take().ok_or_else(unpiped)?;
    let heard = std::thread::scope(|scope| {
        let feeding = std::thread::Builder::new().name("feed".into());
        // One that is gone does not read to the end: how it went tells more.
        let feed = || {
            let _ = write_line(&mut stdin, order).and_then(|()| io::Write::write_all(&mut stdin, component));
        };
        feeding.spawn_scoped(scope, feed)?;
        let heard = process.listen(due, order.memory_bytes_max, &mut waiting);
        // Also what feeds it comes to an end then.
        process.end();
        heard
    });
    // Held until here: the process ends when nobody holds it.
    drop(stdin);
    let heard = heard.map_err(LoadError::NoCompiler)?;
    match heard.end {
        End::Itself => {}
        End::Late => return Err(LoadError::CompileLimit(late(time))),
        End::TooLong => return Err(LoadError::CompileLimit(over_memory(order))),
    }
    let status = process.child.wait().map_err(LoadError::NoCompiler)?;
    answer(heard.said).unwrap_or_else(|| Err(last_words(order, status, &heard.last_words).into()))
}

fn unpiped() -> LoadError {
    LoadError::NoCompiler(io::Error::other("its standard input is no pipe"))
}

/// A process that compiles, gone with this.
struct Process {
    child: Child,
}

/// What a process has said.
struct Heard {
    said: Vec<u8>,
    last_words: Vec<u8>,
    end: End,
}

/// How it came to say no more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    Itself,
    Late,
    TooLong,
}

impl Process {
    /// Starts this very program anew, with nothing of what it has: no environment, no descriptors, no
    /// terminal's signals.
    fn start() -> io::Result<Self> {
        // The libraries' own are marked already; not what this process was started with.
        close_fds::set_fds_cloexec_threadsafe(FIRST_OTHER_DESCRIPTOR, &[]);
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
        let mut command = Command::new(own_program()?);
        command
            .arg0("wasm-host")
            .arg(COMPILE_WORD)
            .env_clear()
            .env("RAYON_NUM_THREADS", threads.to_string())
            // The allocator would take a GiB of addresses at once, which count for what it may have.
            .env("MIMALLOC_ARENA_RESERVE", ARENA_KIB)
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        #[cfg(feature = "failpoints")]
        if let Some(points) = std::env::var_os("FAILPOINTS") {
            command.env("FAILPOINTS", points);
        }
        command.spawn().map(|child| Self { child })
    }

    /// Listens until the process says no more, `due` is past or it has said more than `bytes_max`.
    fn listen(&mut self, due: Instant, bytes_max: u64, waiting: &mut dyn FnMut()) -> io::Result<Heard> {
        let (Some(mut stdout), Some(mut stderr)) = (self.child.stdout.take(), self.child.stderr.take())
        else {
            return Err(io::Error::other("its output is no pipe"));
        };
        let mut heard = Heard { said: Vec::new(), last_words: Vec::new(), end: End::Itself };
        let mut buffer = vec![0; READ_BYTES];
        let mut stderr_open = true;
        loop {
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                heard.end = End::Late;
                return Ok(heard);
            }
            let (out, err) = {
                let mut ends = [PollFd::new(&stdout, PollFlags::IN), PollFd::new(&stderr, PollFlags::IN)];
                let ends = if stderr_open { &mut ends[..] } else { &mut ends[..1] };
                let timeout = Timespec::try_from(left.min(TICK)).map_err(io::Error::other)?;
                match poll(ends, Some(&timeout)) {
                    Ok(_) | Err(Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
                let ready = |at: usize| ends.get(at).is_some_and(|end| !end.revents().is_empty());
                (ready(0), ready(1))
            };
            if err {
                let read = stderr.read(&mut buffer)?;
                stderr_open = read > 0;
                let room = LAST_WORDS_BYTES_MAX - heard.last_words.len();
                heard.last_words.extend_from_slice(&buffer[..read.min(room)]);
            }
            if out {
                let read = stdout.read(&mut buffer)?;
                // What it said last may be about why it says no more.
                if read == 0 && !(err && stderr_open) {
                    return Ok(heard);
                }
                heard.said.extend_from_slice(&buffer[..read]);
                if heard.said.len() as u64 > bytes_max {
                    heard.end = End::TooLong;
                    return Ok(heard);
                }
            }
            waiting();
        }
    }

    /// Ends the process, if it has not ended: its exit status stands where it has.
    fn end(&mut self) {
        let _ = self.child.kill();
        // It cannot refuse, and what is not waited for is never gone.
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// This program as it was started, also where its file has been replaced since.
fn own_program() -> io::Result<PathBuf> {
    let own = PathBuf::from("/proc/self/exe");
    // Where instructions are counted, the kernel runs valgrind, and the name is the program's. No release asks for it:
    // by then another program may have the name.
    #[cfg(feature = "failpoints")]
    if let Ok(named) = std::env::current_exe()
        && let (Ok(runs), Ok(says)) = (own.metadata(), named.metadata())
        && runs.ino() != says.ino()
    {
        return Ok(named);
    }
    if own.exists() { Ok(own) } else { std::env::current_exe() }
}

/// What it answered; none if that is no whole answer.
fn answer(said: Vec<u8>) -> Option<Result<Vouched, LoadError>> {
    let mut from = &said[..];
    match read_line(&mut from).ok()? {
        Answer::Code(bytes) if from.len() as u64 == bytes => {
            let start = said.len() - from.len();
            Some(Ok(Vouched::compiled(said, start)))
        }
        Answer::Code(_) => None,
        Answer::Refused(refusal) => Some(Err(refusal.into())),
    }
}

/// What it died of, where it answered nothing.
fn last_words(order: &Order, status: ExitStatus, words: &[u8]) -> Refusal {
    let words = String::from_utf8_lossy(words);
    let words = words.trim();
    let signal = |signal: Signal| status.signal() == Some(signal.as_raw());
    if signal(Signal::XCPU) {
        let most = humantime::format_duration(Duration::from_secs(order.cpu_s_max));
        Refusal::Limit(format!("it takes more than {most} of CPU time, and `compile-timeout` allows no more"))
    } else if is_out_of_memory(words) {
        Refusal::Limit(over_memory(order))
    } else if words.contains("has overflowed its stack") {
        Refusal::TooComplex("it is nested more deeply than the compiler can follow".to_owned())
    } else if signal(Signal::KILL) {
        Refusal::Limit("the compiler was killed, most likely as the machine is short of memory".to_owned())
    } else {
        let line = words.lines().rfind(|line| !line.starts_with("note:")).unwrap_or("without a word");
        Refusal::Failed(bounded(&format!("it ended with {status}: {line}")))
    }
}

fn over_memory(order: &Order) -> String {
    let most = ByteSize(order.memory_bytes_max);
    format!("it takes more than {most} of memory, and `compile-memory` allows no more")
}

fn late(time: Duration) -> String {
    let time = humantime::format_duration(time);
    format!("it was not done after {time}, five times `compile-timeout`: the machine may be too busy")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::code::CodeSettings;

    fn order() -> Order {
        let code = CodeSettings {
            fuel: false,
            tasks: false,
            guards: false,
            images: true,
            stack_bytes_max: 1,
            memory_bytes_max: 1,
        };
        Order { code, component_bytes: 0, memory_bytes_max: 1 << 31, cpu_s_max: 60, yields: true }
    }

    #[track_caller]
    fn check(wait_status: i32, words: &str, reason: &str, part: &str) {
        let refusal = last_words(&order(), ExitStatus::from_raw(wait_status), words.as_bytes());
        let error = LoadError::from(refusal);
        assert_eq!(error.reason(), reason, "{error}");
        assert!(error.to_string().contains(part), "{error}");
    }

    #[test]
    fn what_a_process_died_of_is_told() {
        check(24, "", "compile_limit", "1m of CPU time");
        check(9, "", "compile_limit", "killed");
        check(6, "memory allocation of 8 bytes failed\n", "compile_limit", "2.0 GiB of memory");
        check(6, "\nthread 'main' has overflowed its stack\nfatal runtime error\n", "too_complex", "deeply");
        check(6, "thread panicked\nwhile it panicked\nnote: x\n", "compile_failed", "while it panicked");
        check(11, "", "compile_failed", "without a word");
    }

    #[test]
    fn half_an_answer_is_none() {
        let mut whole = b"{\"code\":4}\n".to_vec();
        for more in 0..4 {
            assert!(answer(whole.clone()).is_none(), "{more} bytes");
            whole.push(b'x');
        }
        assert_eq!(answer(whole.clone()).expect("whole").expect("code").bytes().expect("read"), &b"xxxx"[..]);
        whole.push(b'x');
        assert!(answer(whole).is_none());
        assert!(answer(Vec::new()).is_none());
    }
}
