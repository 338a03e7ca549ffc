//! One line on a terminal that tells what is being waited for, while there is no log yet. Where nobody
//! watches, nothing is written.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What takes less is over before anybody could read about it.
const WORTH_TELLING: Duration = Duration::from_secs(1);
/// Back to the line's beginning, and everything after that away.
const CLEAR: &str = "\r\x1b[K";

/// The line, and what is waited for.
#[derive(Debug)]
pub struct Progress {
    watched: bool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    waits: BTreeMap<u64, (String, Instant)>,
    shown: bool,
    off: bool,
}

/// Something that is waited for, until this is dropped.
#[derive(Debug)]
pub struct Wait<'a> {
    progress: &'a Progress,
    id: u64,
}

impl Progress {
    /// A line on standard error, if that is a terminal.
    pub fn on_terminal() -> Self {
        Self { watched: io::stderr().is_terminal(), state: Mutex::default() }
    }

    /// Begins to wait for `what`.
    pub fn wait(&self, what: String) -> Wait<'_> {
        self.with(|state| {
            let id = state.next;
            state.next += 1;
            state.waits.insert(id, (what, Instant::now()));
            Wait { progress: self, id }
        })
    }

    /// No more lines from now on: the log has the terminal.
    pub fn end(&self) {
        self.with(|state| {
            state.write("");
            state.off = true;
        });
    }

    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Wait<'_> {
    /// Writes the line anew.
    pub fn tick(&self) {
        if self.progress.watched {
            self.progress.with(|state| {
                let line = state.line(Instant::now());
                state.write(&line);
            });
        }
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.progress.with(|state| {
            state.waits.remove(&self.id);
            state.write("");
        });
    }
}

impl State {
    /// What to show: the one that takes longest, and how many there are beside it.
    fn line(&self, now: Instant) -> String {
        let Some((what, since)) = self.waits.values().next() else { return String::new() };
        let took = now.saturating_duration_since(*since);
        if took < WORTH_TELLING {
            return String::new();
        }
        let others = match self.waits.len() {
            1 => String::new(),
            count => format!(", {} more", count - 1),
        };
        format!("{what}{others} … {} s", took.as_secs())
    }

    fn write(&mut self, line: &str) {
        if !self.off && (self.shown || !line.is_empty()) {
            // That nobody reads it is no failure.
            let _ = write!(io::stderr(), "{CLEAR}{line}");
            self.shown = !line.is_empty();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_tells_of_the_longest_wait_once_it_is_worth_it() {
        let progress = Progress { watched: false, state: Mutex::default() };
        let line = |after: u64| progress.with(|it| it.line(Instant::now() + Duration::from_secs(after)));
        assert_eq!(line(9), "");
        let first = progress.wait("Compiling a".to_owned());
        assert_eq!((line(0), line(7)), (String::new(), "Compiling a … 7 s".to_owned()));
        let second = progress.wait("Compiling b".to_owned());
        assert_eq!(line(7), "Compiling a, 1 more … 7 s");
        drop(first);
        assert_eq!(line(8), "Compiling b … 8 s");
        second.tick();
        drop(second);
        assert_eq!(line(9), "");
    }
}
