//! The last log lines of each handler, and those who follow them. Lines are sorted by the thread that writes the
//! log, so nobody who logs something waits for it; and a follower who does not read loses lines, and is told so.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc::{Receiver, Sender, channel, error::TrySendError};

/// Lines and bytes that are remembered of one handler, and handlers of which any are.
const LINES_MAX: usize = 500;
const BYTES_MAX: usize = 128 * 1024;
const HANDLERS_MAX: usize = 512;
/// Those who follow at once, and lines that wait for each of them.
const FOLLOWERS_MAX: usize = 16;
const FOLLOWED_LINES_MAX: usize = 512;

/// One line, without its end.
pub type LogLine = Arc<str>;

/// The last lines of each handler.
#[derive(Debug, Default)]
pub struct Recent(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    handlers: HashMap<String, Lines>,
    followers: Vec<Follower>,
    /// Grows with every line: which handler was silent for longest.
    clock: u64,
}

#[derive(Debug, Default)]
struct Lines {
    lines: VecDeque<LogLine>,
    bytes: usize,
    last: u64,
}

#[derive(Debug)]
struct Follower {
    handler: String,
    lines: Sender<LogLine>,
    lost: u64,
}

impl Recent {
    /// The last `count` lines of a handler.
    pub fn lines(&self, handler: &str, count: usize) -> Vec<LogLine> {
        self.lock().last(handler, count)
    }

    /// The last `count` lines of a handler, and then those that come; none if too many follow already.
    pub fn follow(&self, handler: &str, count: usize) -> Option<(Vec<LogLine>, Receiver<LogLine>)> {
        let mut inner = self.lock();
        inner.followers.retain(|follower| !follower.lines.is_closed());
        if inner.followers.len() >= FOLLOWERS_MAX {
            return None;
        }
        let (lines, receiver) = channel(FOLLOWED_LINES_MAX);
        inner.followers.push(Follower { handler: handler.to_owned(), lines, lost: 0 });
        // Under the same lock: no line comes in between.
        Some((inner.last(handler, count), receiver))
    }

    /// Remembers the lines of `text` that are a handler's, and passes them on.
    fn take(&self, text: &str) {
        let mut inner = self.lock();
        for line in text.lines() {
            let plain = without_colours(line);
            if let Some(handler) = handler_of(&plain) {
                inner.push(handler, plain.as_ref().into());
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn last(&self, handler: &str, count: usize) -> Vec<LogLine> {
        let Some(known) = self.handlers.get(handler) else { return Vec::new() };
        known.lines.iter().skip(known.lines.len().saturating_sub(count)).cloned().collect()
    }

    fn push(&mut self, handler: &str, line: LogLine) {
        self.clock += 1;
        if !self.handlers.contains_key(handler) {
            self.make_room();
            self.handlers.insert(handler.to_owned(), Lines::default());
        }
        if let Some(known) = self.handlers.get_mut(handler) {
            known.last = self.clock;
            known.bytes += line.len();
            known.lines.push_back(line.clone());
            while known.lines.len() > LINES_MAX || known.bytes > BYTES_MAX {
                known.bytes -= known.lines.pop_front().map_or(known.bytes, |gone| gone.len());
            }
        }
        self.followers.retain_mut(|follower| follower.handler != handler || follower.give(&line));
    }

    fn make_room(&mut self) {
        if self.handlers.len() < HANDLERS_MAX {
            return;
        }
        let silent = self.handlers.iter().min_by_key(|(_, lines)| lines.last).map(|(name, _)| name.clone());
        if let Some(silent) = silent {
            self.handlers.remove(&silent);
        }
    }
}

impl Follower {
    /// Whether it is still there.
    fn give(&mut self, line: &LogLine) -> bool {
        if self.lost > 0 {
            let told = format!("… {} lines were lost: they were not read fast enough", self.lost);
            match self.lines.try_send(told.into()) {
                Ok(()) => self.lost = 0,
                Err(TrySendError::Full(_)) => {
                    self.lost += 1;
                    return true;
                }
                Err(TrySendError::Closed(_)) => return false,
            }
        }
        match self.lines.try_send(line.clone()) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => {
                self.lost += 1;
                true
            }
            Err(TrySendError::Closed(_)) => false,
        }
    }
}

/// The handler that a line is about. What guests and clients say stands behind it, or is quoted.
fn handler_of(line: &str) -> Option<&str> {
    let human = line.find(" handler=\"").map(|at| at + " handler=\"".len());
    let start = human.or_else(|| line.find("\"handler\":\"").map(|at| at + "\"handler\":\"".len()))?;
    let rest = &line[start..];
    rest.get(..rest.find('"')?)
}

/// A line as it is without the colours of a terminal. What guests say is escaped, so no colour is theirs.
fn without_colours(line: &str) -> std::borrow::Cow<'_, str> {
    if !line.contains('\u{1b}') {
        return line.into();
    }
    let mut plain = String::with_capacity(line.len());
    let mut parts = line.split('\u{1b}');
    plain.push_str(parts.next().unwrap_or_default());
    for part in parts {
        plain.push_str(part.split_once('m').map_or("", |(_, text)| text));
    }
    plain.into()
}

/// Has every line remembered that is written to `out`.
pub(super) struct Tap<W> {
    recent: Arc<Recent>,
    out: W,
}

impl<W> Tap<W> {
    pub(super) fn new(recent: Arc<Recent>, out: W) -> Self {
        Self { recent, out }
    }
}

impl<W: Write> Write for Tap<W> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.out.write(text)
    }

    /// The lines come whole, some of them at once.
    fn write_all(&mut self, text: &[u8]) -> io::Result<()> {
        self.recent.take(&String::from_utf8_lossy(text));
        self.out.write_all(text)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_sorted_by_handler_however_they_are_written() {
        let recent = Arc::<Recent>::default();
        let mut page = Vec::new();
        let mut tap = Tap::new(recent.clone(), &mut page);
        let text = concat!(
            "2026 INFO guest request_id=1 handler=\"a\" stream=\"stdout\" line=\"x handler=\\\"b\\\"\"\n",
            "{\"level\":\"INFO\",\"handler\":\"b\",\"line\":\"\\\"handler\\\":\\\"a\\\"\"}\n",
            "2026 INFO \u{1b}[3mpath\u{1b}[0m\u{1b}[2m=\u{1b}[0m\"/\" \u{1b}[3mhandler\u{1b}[0m\u{1b}[2m=\u{1b}[0m\"a\"\n",
            "2026 INFO ready\n",
        );
        tap.write_all(text.as_bytes()).expect("a page");
        assert_eq!(page, text.as_bytes());
        assert_eq!(recent.lines("b", 9).len(), 1);
        let of_a = recent.lines("a", 9);
        assert_eq!(of_a.len(), 2);
        assert_eq!(&*of_a[1], "2026 INFO path=\"/\" handler=\"a\"");
        assert_eq!(recent.lines("a", 1), of_a[1..]);
    }

    #[test]
    fn memory_is_bounded_and_the_latest_lines_stay() {
        let recent = Recent::default();
        for number in 0..2 * LINES_MAX {
            recent.take(&format!("handler: handler=\"a\" {number}\n"));
        }
        let lines = recent.lines("a", usize::MAX);
        assert_eq!(lines.len(), LINES_MAX);
        assert!(lines[LINES_MAX - 1].ends_with(&(2 * LINES_MAX - 1).to_string()));
        recent.take(&format!("x handler=\"a\" {}\n", "y".repeat(BYTES_MAX)));
        assert!(recent.lines("a", usize::MAX).is_empty(), "one that is too long is not kept");
        for number in 0..2 * HANDLERS_MAX {
            recent.take(&format!("x handler=\"h{number}\"\n"));
        }
        assert_eq!(recent.lock().handlers.len(), HANDLERS_MAX);
    }

    #[test]
    fn followers_who_do_not_read_lose_lines_and_are_told_how_many() {
        let recent = Recent::default();
        recent.take("x handler=\"a\" before\n");
        let (last, mut lines) = recent.follow("a", 10).expect("a place");
        assert_eq!(last.len(), 1);
        for number in 0..FOLLOWED_LINES_MAX + 3 {
            recent.take(&format!("x handler=\"a\" {number}\nx handler=\"b\"\n"));
        }
        for _ in 0..FOLLOWED_LINES_MAX {
            lines.try_recv().expect("a line");
        }
        recent.take("x handler=\"a\" after\n");
        let told = [lines.try_recv(), lines.try_recv()].map(|line| line.expect("a line"));
        assert!(told[0].contains("3 lines were lost") && told[1].ends_with("after"), "{told:?}");
        let others: Vec<_> = (1..FOLLOWERS_MAX).map(|_| recent.follow("b", 0).expect("a place")).collect();
        assert!(recent.follow("b", 0).is_none());
        drop((others, lines));
        assert!(recent.follow("b", 0).is_some());
    }
}
