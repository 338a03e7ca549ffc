//! Where log lines go: standard error, through a bounded queue and a thread of its own, so that a
//! reader that stops reading costs lines and never a request.

use super::harmless::Harmless;
use super::line::Fields;
use super::recent::{Recent, Tap};
use super::writer::{self, WriterGuard};
use std::io;
use std::sync::Arc;
use tracing::Level;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Lines waiting for the writer; past this they are dropped and counted.
const QUEUE_LINES_MAX: usize = 16 * 1024;

/// Writes what is still queued when it is dropped, for about a second at most.
pub struct LogGuard {
    writer: WriterGuard,
    /// The last lines of each handler.
    pub recent: Arc<Recent>,
}

impl LogGuard {
    /// Lines lost so far because the log was not read fast enough.
    pub fn dropped_lines(&self) -> usize {
        self.writer.dropped_lines()
    }
}

/// Starts the log of this process; call it once. `json` writes one object a line.
///
/// Only the host's own events are written: libraries log what guests do in their own words, unbounded.
///
/// # Errors
/// If the system refuses a thread.
pub fn start(json: bool) -> io::Result<LogGuard> {
    let recent = Arc::<Recent>::default();
    let (writer, guard) = writer::start(QUEUE_LINES_MAX, Tap::new(recent.clone(), io::stderr()))?;
    let own = Targets::new().with_target("wasm_host", Level::INFO);
    let layer = tracing_subscriber::fmt::layer().with_target(false);
    let layer = if json {
        let layer = layer.with_writer(move || Harmless(writer.clone()));
        layer.json().flatten_event(true).with_filter(own).boxed()
    } else {
        let layer = layer.with_writer(move || writer.clone());
        match io::IsTerminal::is_terminal(&io::stderr()) {
            true => layer.with_ansi(true).with_filter(own).boxed(),
            false => layer.with_ansi(false).fmt_fields(Fields).with_filter(own).boxed(),
        }
    };
    tracing_subscriber::registry().with(layer).init();
    std::panic::set_hook(Box::new(|panic| {
        tracing::error!(place = %panic.location().map_or_else(String::new, ToString::to_string),
            thread = std::thread::current().name().unwrap_or("unnamed"),
            message = panic.payload_as_str().unwrap_or("no message"), "host panic");
    }));
    Ok(LogGuard { writer: guard, recent })
}
