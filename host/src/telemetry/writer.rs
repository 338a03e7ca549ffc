//! The thread that writes log lines, and how they come to it: without a lock, and without a wake-up for
//! each of them. A thread of a low class that logs something may be stopped in the middle by the
//! kernel, and must not hold up the lines of others: its own take another way, which costs more.

use crate::stack::Stack;
use crossbeam_queue::SegQueue;
use std::cell::Cell;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;
use std::time::Duration;

/// How long lines may gather before they are written together.
const GATHER_TIME: Duration = Duration::from_millis(1);
/// Times that nothing has gathered before the thread sleeps until it is woken.
const IDLE_ROUNDS_MAX: u32 = 20;
/// How long lines are still written when the host ends.
const LAST_WORDS_TIME_MAX: Duration = Duration::from_secs(1);

thread_local! {
    static STOPPED_ANYWHERE: Cell<bool> = const { Cell::new(false) };
}

/// Says that the kernel may stop the calling thread in the middle of anything, for long: nobody is to wait for a line
/// of it.
pub fn log_from_low_priority() {
    STOPPED_ANYWHERE.set(true);
}

/// A line, and how many came before it.
#[derive(Clone, Debug)]
struct Line {
    number: u64,
    text: Arc<[u8]>,
}

/// What those that log share with the thread that writes.
#[derive(Debug)]
struct Shared {
    /// Numbers that were given. Whoever has one has seen the lines arrive that it knows to be before its own.
    numbers: AtomicU64,
    queue: SegQueue<Line>,
    /// Of threads that may be stopped anywhere.
    stack: Stack<Line>,
    lines_max: usize,
    waiting: AtomicUsize,
    dropped: AtomicUsize,
    asleep: AtomicBool,
    closed: AtomicBool,
    thread: OnceLock<Thread>,
}

/// Takes lines, one in each write; where too many wait they are dropped and counted.
#[derive(Clone, Debug)]
pub(super) struct LineWriter(Arc<Shared>);

/// Ends the thread when it is dropped, once it has written what is there or for a second at most.
#[derive(Debug)]
pub(super) struct WriterGuard {
    shared: Arc<Shared>,
    ended: Receiver<()>,
}

/// Starts the thread, which writes to `out`; at most `lines_max` lines wait for it.
///
/// # Errors
/// If the system refuses a thread.
pub(super) fn start(
    lines_max: usize,
    out: impl Write + Send + 'static,
) -> io::Result<(LineWriter, WriterGuard)> {
    let shared = Arc::new(Shared {
        numbers: AtomicU64::new(0),
        queue: SegQueue::new(),
        stack: Stack::default(),
        lines_max,
        waiting: AtomicUsize::new(0),
        dropped: AtomicUsize::new(0),
        asleep: AtomicBool::new(false),
        closed: AtomicBool::new(false),
        thread: OnceLock::new(),
    });
    let (ending, ended) = channel();
    let thread = std::thread::Builder::new().name("log".to_owned());
    let writing = shared.clone();
    let thread = thread.spawn(move || {
        let _ending = ending;
        writing.run(out);
    })?;
    shared.thread.get_or_init(|| thread.thread().clone());
    Ok((LineWriter(shared.clone()), WriterGuard { shared, ended }))
}

impl Shared {
    fn push(&self, line: &[u8]) {
        if self.waiting.fetch_add(1, Relaxed) >= self.lines_max {
            self.waiting.fetch_sub(1, Relaxed);
            self.dropped.fetch_add(1, Relaxed);
            return;
        }
        let line = Line { number: self.numbers.fetch_add(1, SeqCst), text: line.into() };
        if STOPPED_ANYWHERE.get() {
            self.stack.push(&line);
        } else {
            self.queue.push(line);
        }
        // Either the thread sees the line before it sleeps, or this sees it asleep.
        if self.asleep.load(SeqCst) {
            self.wake();
        }
    }

    fn wake(&self) {
        if self.asleep.swap(false, SeqCst)
            && let Some(thread) = self.thread.get()
        {
            thread.unpark();
        }
    }

    fn run(&self, mut out: impl Write) {
        let (mut lines, mut idle_rounds) = (Vec::new(), 0);
        loop {
            let last = self.closed.load(SeqCst);
            let count = self.gather(&mut lines);
            if count > 0 {
                let mut text = Vec::new();
                lines.drain(..count).for_each(|line| text.extend_from_slice(&line.text));
                lines.shrink_to_fit();
                // A log that nobody reads any more is nobody's loss.
                let _ = out.write_all(&text).and_then(|()| out.flush());
                self.waiting.fetch_sub(count, Relaxed);
                idle_rounds = 0;
            }
            // Those that are left came meanwhile.
            if last && lines.is_empty() {
                return;
            }
            idle_rounds += 1;
            if idle_rounds < IDLE_ROUNDS_MAX {
                std::thread::park_timeout(GATHER_TIME);
                continue;
            }
            self.asleep.store(true, SeqCst);
            let empty = || lines.is_empty() && self.queue.is_empty() && self.stack.is_empty();
            while empty() && self.asleep.load(SeqCst) && !self.closed.load(SeqCst) {
                std::thread::park();
            }
            self.asleep.store(false, SeqCst);
            idle_rounds = 0;
        }
    }

    /// Adds what has arrived to `lines`, and brings them in order; returns how many of them can be written. One that
    /// came while this looked has to wait: a line before it may have come the other way, just too late to be seen.
    fn gather(&self, lines: &mut Vec<Line>) -> usize {
        let seen = self.numbers.load(SeqCst);
        while let Some(line) = self.queue.pop() {
            lines.push(line);
        }
        lines.extend(self.stack.take());
        lines.sort_by_key(|line| line.number);
        lines.partition_point(|line| line.number < seen)
    }
}

impl Write for LineWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl WriterGuard {
    /// Lines lost so far because they were not written fast enough.
    pub(super) fn dropped_lines(&self) -> usize {
        self.shared.dropped.load(Relaxed)
    }
}

impl Drop for WriterGuard {
    fn drop(&mut self) {
        self.shared.closed.store(true, SeqCst);
        if let Some(thread) = self.shared.thread.get() {
            thread.unpark();
        }
        // An error says that the thread is gone, which is what is waited for.
        let _ = self.ended.recv_timeout(LAST_WORDS_TIME_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use std::sync::mpsc::Sender;

    /// Remembers what is written.
    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Page {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A pipe that is stuck until it is let go.
    struct Stuck(Receiver<()>, Sender<()>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.1.send(());
            let _ = self.0.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_come_in_order_also_after_a_long_sleep_and_the_last_ones_at_the_end() {
        let page = Page::default();
        let (mut writer, guard) = start(1000, page.clone()).expect("a thread");
        let mut expected = String::new();
        for round in 0..3 {
            for line in 0..100 {
                let line = format!("{round}.{line}\n");
                writer.write_all(line.as_bytes()).expect("never fails");
                expected += &line;
            }
            while round < 2 && !(page.text() == expected && guard.shared.asleep.load(SeqCst)) {
                std::thread::yield_now();
            }
        }
        drop(guard);
        assert_eq!(page.text(), expected);
    }

    #[test]
    fn lines_that_follow_one_another_come_in_order_whichever_way_they_take() {
        const LINES: u32 = 10_000;
        let page = Page::default();
        let (writer, guard) = start(2 * LINES as usize, page.clone()).expect("a thread");
        let write = |number| writer.clone().write_all(format!("{number}\n").as_bytes()).expect("never fails");
        let ((ask, asked), (answer, answered)) = (channel(), channel());
        std::thread::scope(|scope| {
            scope.spawn(move || {
                log_from_low_priority();
                for number in asked {
                    write(number);
                    answer.send(()).expect("the other thread");
                }
            });
            for number in (0..LINES).step_by(2) {
                write(number);
                ask.send(number + 1).expect("the other thread");
                answered.recv().expect("the other thread");
            }
            drop(ask);
        });
        drop(guard);
        let expected: String = (0..LINES).map(|number| format!("{number}\n")).collect();
        assert_eq!(page.text(), expected);
    }

    #[test]
    fn a_log_that_nobody_reads_costs_lines_and_no_time() {
        let ((let_go, stuck), (began, begun)) = (channel(), channel());
        let (mut writer, guard) = start(10, Stuck(stuck, began)).expect("a thread");
        writer.write_all(b"first\n").expect("never fails");
        begun.recv().expect("the first write");
        for _ in 0..30 {
            writer.write_all(b"more\n").expect("never fails");
        }
        // The first one waits, too, as long as it is not written.
        assert_eq!(guard.dropped_lines(), 21);
        drop(let_go);
    }
}
