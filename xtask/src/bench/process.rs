//! A server while it is measured: started on a port of the system's choosing, and gone afterwards with
//! all that it started, whatever happens to it or to us.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, Stdio};
use std::str::FromStr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};

use super::exchange::{ANSWER_BOUND, Exchange, HELLO, Progress, wait};

/// The longest that a server may take until it answers.
const START_BOUND: Duration = Duration::from_secs(60);
/// How often it is asked meanwhile. Short beside the time that a server takes to start, which is measured.
const ASK_INTERVAL: Duration = Duration::from_millis(1);
/// How much of its log an error carries.
const LOG_LINES_MAX: usize = 10;
/// What stands before the port, in what the servers say when they listen. The first is looked for first: a
/// host that speaks TLS has an admin side that does not.
const PORT_MARKS: [&str; 3] = ["https://127.0.0.1:", "http://127.0.0.1:", r#""port":"#];
/// Waits until its input is closed, which happens when we are gone, ends the group of processes that it
/// was given, and removes their log.
const WATCHDOG: &str = r#"read -r _; kill -s KILL -- "-$1"; rm -f -- "$2""#;

/// A server that answers. Dropping it ends it at once, and all processes that it started.
pub(super) struct ServerProcess {
    child: Child,
    /// Ends the server in our place should we be killed.
    watchdog: Option<Child>,
    log: PathBuf,
    address: SocketAddr,
    start_time: Duration,
}

impl ServerProcess {
    /// Starts `command` in `directory`, where its log is kept meanwhile, and waits for its first answer.
    ///
    /// # Errors
    ///
    /// Where it cannot be started, ends, or does not answer in time; with the end of its log.
    pub(super) fn start(command: &mut Command, directory: &Path) -> Result<Self> {
        Self::start_until(command, directory, answers)
    }

    /// The same, for a server that is not asked for a hello: `is_there` is how to tell.
    ///
    /// # Errors
    ///
    /// The same.
    pub(super) fn start_until(
        command: &mut Command,
        directory: &Path,
        is_there: impl Fn(SocketAddr) -> bool,
    ) -> Result<Self> {
        let log = directory.join(format!("server-{}.log", process::id()));
        // A file and not a pipe: nobody has to read along, and so take time from the server.
        let output = File::create(&log).with_context(|| format!("writing {}", log.display()))?;
        let begin = Instant::now();
        let child = command
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(output.try_clone().context("sharing the log")?)
            .stderr(output)
            .process_group(0)
            .spawn()
            .context("it cannot be started")?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut server = Self { child, watchdog: None, log, address, start_time: Duration::ZERO };
        server.watchdog = Some(server.watch()?);
        if let Err(error) = server.wait_until(is_there) {
            return Err(error.context(server.log_end()));
        }
        server.start_time = begin.elapsed();
        Ok(server)
    }

    /// The number of its process.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// How long it took from its start to its first answer.
    pub(super) fn start_time(&self) -> Duration {
        self.start_time
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it looks after itself: the address in the first line of its log that begins with `mark`.
    pub(super) fn address_after(&self, mark: &str) -> Option<SocketAddr> {
        let log = fs::read_to_string(&self.log).ok()?;
        let line = log.lines().find_map(|line| line.strip_prefix(mark))?;
        line.trim_end_matches('/').parse().ok()
    }

    fn watch(&self) -> Result<Child> {
        Command::new("sh")
            .args(["-c", WATCHDOG, "watchdog", &self.child.id().to_string()])
            .arg(&self.log)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Not in our group: a Ctrl-C is for us.
            .process_group(0)
            .spawn()
            .context("starting what ends the server in our place")
    }

    fn wait_until(&mut self, is_there: impl Fn(SocketAddr) -> bool) -> Result<()> {
        let deadline = Instant::now() + START_BOUND;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().context("asking for its state")? {
                bail!("it ended at once ({status})");
            }
            if let Some(port) = fs::read_to_string(&self.log).ok().as_deref().and_then(port_in) {
                self.address.set_port(port);
                if is_there(self.address) {
                    return Ok(());
                }
            }
            pause(ASK_INTERVAL);
        }
        bail!("it did not answer within {START_BOUND:?}")
    }

    fn log_end(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<_> = log.trim_end().lines().collect();
        format!("its log ends with\n{}", lines[lines.len().saturating_sub(LOG_LINES_MAX)..].join("\n"))
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // Before it is waited for, so that its id cannot be somebody else's yet.
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        if let Some(mut watchdog) = self.watchdog.take() {
            let _ = watchdog.kill();
            let _ = watchdog.wait();
        }
        let _ = self.child.wait();
        let _ = fs::remove_file(&self.log);
    }
}

/// The port in a log, as soon as something that is not a digit follows it.
fn port_in(log: &str) -> Option<u16> {
    PORT_MARKS.iter().find_map(|mark| {
        let (_, rest) = log.split_once(mark)?;
        let end = rest.find(|c: char| !c.is_ascii_digit())?;
        rest[..end].parse().ok()
    })
}

fn answers(address: SocketAddr) -> bool {
    let Ok(mut exchange) = Exchange::open(address, HELLO) else { return false };
    while exchange.elapsed() <= ANSWER_BOUND {
        if wait([&exchange].into_iter(), ASK_INTERVAL).is_ok_and(|ready| ready == [true]) {
            match exchange.advance() {
                Progress::Pending => {}
                Progress::Answered { ok, .. } => return ok,
                Progress::Failed => return false,
            }
        }
    }
    false
}

#[expect(clippy::disallowed_methods, reason = "nothing tells what another program has come to")]
/// Waits before another program is asked again.
pub(super) fn pause(time: Duration) {
    thread::sleep(time);
}

/// A number in `/proc/PID/status`, behind its name and colon.
pub(super) fn status_field<T: FromStr>(status: &str, name: &str) -> Option<T> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_in_what_the_system_tells() {
        let status = "Name:\tx\nVmHWM:\t 9 kB\nVmRSS:\t  13840 kB\nThreads:\t11\n";
        assert_eq!(status_field(status, "VmRSS:"), Some(13_840));
        assert_eq!(status_field(status, "Threads:"), Some(11));
        assert_eq!(status_field::<u64>("Name:\tx\n", "Threads:"), None);
    }

    #[test]
    fn port_is_found_in_what_servers_say() {
        assert_eq!(port_in("Serving HTTP on http://127.0.0.1:40123/\nmore"), Some(40123));
        assert_eq!(port_in("INFO: Uvicorn running on http://127.0.0.1:8000 (Press"), Some(8000));
        assert_eq!(port_in(r#"{"event":"listen","socket":"http","port":36399}"#), Some(36399));
        assert_eq!(port_in("Serving HTTP on http://127.0.0.1:401"), None, "there may be more digits to come");
        assert_eq!(port_in("starting"), None);
        let both = "Serving HTTP on https://127.0.0.1:7/\nAdmin on http://127.0.0.1:8/\n";
        assert_eq!(port_in(both), Some(7));
    }

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn server_that_ends_is_an_error_with_its_log() {
        let directory = std::env::temp_dir().join(format!("xtask-server-{}", process::id()));
        fs::create_dir_all(&directory).expect("directory");
        let started = ServerProcess::start(&mut shell("echo reasons >&2; exit 3"), &directory);
        let error = format!("{:#}", started.err().expect("it has ended"));
        assert!(error.contains("reasons") && error.contains("it ended at once"), "{error}");
        assert_eq!(fs::read_dir(&directory).expect("directory").count(), 0, "nothing is left over");
        fs::remove_dir_all(&directory).expect("directory");
    }
}
