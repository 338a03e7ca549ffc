//! Running other programs: bounded in time, silent while all is well, and with their own words in the
//! error where it is not.

use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How many lines of a program's output an error carries at most: as many from its beginning, where
/// causes stand, as from its end, where results do.
const OUTPUT_LINES_MAX: usize = 40;

/// Runs `command` to its end and returns what it wrote to standard output.
///
/// # Errors
///
/// Where it cannot be started, fails, or is not done after `bound`: then it is killed. The error names
/// the command and ends with its output, or the beginning and end of it.
pub(crate) fn run(command: &mut Command, bound: Duration) -> Result<String> {
    let line = display(command);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("`{line}` cannot be started"))?;
    let stdout = Collected::from(child.stdout.take());
    let stderr = Collected::from(child.stderr.take());

    // A program closes its output when it ends, so to wait for that is to wait for the program, and
    // that wait can be bounded.
    let deadline = Instant::now() + bound;
    let in_time = stdout.ended_by(deadline) && stderr.ended_by(deadline);
    if !in_time {
        child.kill().with_context(|| format!("`{line}` cannot be killed after {bound:?}"))?;
    }
    let status = child.wait().with_context(|| format!("waiting for `{line}`"))?;

    let stdout = stdout.text();
    if in_time && status.success() {
        return Ok(stdout);
    }
    let output = shorten(&(stdout + &stderr.text()));
    match in_time {
        true => bail!("`{line}` failed ({status})\n{output}"),
        false => bail!("`{line}` was not done after {bound:?} and was killed\n{output}"),
    }
}

/// The command as it would be typed, without its environment.
fn display(command: &Command) -> String {
    let words = [command.get_program()].into_iter().chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

fn shorten(output: &str) -> String {
    let mut lines: Vec<_> = output.trim_end().lines().collect();
    if lines.len() > OUTPUT_LINES_MAX {
        let half = OUTPUT_LINES_MAX / 2;
        lines.splice(half..lines.len() - half, ["…"]);
    }
    lines.join("\n")
}

/// The output of a program so far, read by a thread of its own so that no pipe is ever full.
struct Collected {
    bytes: Arc<Mutex<Vec<u8>>>,
    /// Never sends anything: it is closed when the output is.
    ended: Receiver<()>,
}

impl Collected {
    fn from(stream: Option<impl Read + Send + 'static>) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let (open, ended) = channel();
        let into = Arc::clone(&bytes);
        // Not joined: it ends with the output, which can be held open by whom the program started.
        thread::spawn(move || {
            let _open: Sender<()> = open;
            let Some(mut stream) = stream else { return };
            let mut chunk = [0; 8 * 1024];
            while let Ok(length @ 1..) = stream.read(&mut chunk) {
                into.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&chunk[..length]);
            }
        });
        Self { bytes, ended }
    }

    fn ended_by(&self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        self.ended.recv_timeout(left) == Err(RecvTimeoutError::Disconnected)
    }

    fn text(&self) -> String {
        let bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: Duration = Duration::from_secs(20);

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn standard_output_is_returned() {
        assert_eq!(run(&mut shell("echo out; echo err >&2"), BOUND).expect("run"), "out\n");
    }

    #[test]
    fn failure_names_the_command_and_shows_its_output() {
        let error = run(&mut shell("echo first; echo last >&2; exit 3"), BOUND).expect_err("run");
        let text = error.to_string();
        assert!(text.starts_with("`sh -c echo first"), "{text}");
        assert!(text.ends_with("first\nlast"), "{text}");
    }

    #[test]
    fn long_output_keeps_both_ends() {
        let lines: Vec<_> = (1..=100).map(|line: usize| line.to_string()).collect();
        let short = shorten(&lines.join("\n"));
        assert!(short.starts_with("1\n2\n") && short.ends_with("\n99\n100"), "{short}");
        assert!(short.contains("\n20\n…\n81\n"), "{short}");
        assert_eq!(shorten("one\ntwo\n"), "one\ntwo");
    }

    #[test]
    fn slow_command_is_killed() {
        let start = Instant::now();
        let error = run(&mut shell("echo begun; exec sleep 60"), Duration::from_millis(200));
        assert!(error.expect_err("run").to_string().ends_with("was killed\nbegun"));
        assert!(start.elapsed() < BOUND);
    }

    #[test]
    fn missing_program_is_named() {
        let error = run(&mut Command::new("no-such-program"), BOUND).expect_err("run");
        assert!(error.to_string().contains("no-such-program"));
    }
}
