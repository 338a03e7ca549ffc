//! What tasks say while they work: one line per step, on standard error.

use std::io::{Write as _, stderr};
use std::time::Duration;

/// Says that something begins that may take a while, or what came of it.
pub(crate) fn note(step: &str, what: &str) {
    line(step, what);
}

/// Says that a step is done, and how long it took.
pub(crate) fn done(step: &str, what: &str, took: Duration) {
    line(step, &format!("{what} ({:.1} s)", took.as_secs_f64()));
}

/// Says why a task failed: the error and all that led to it.
pub(crate) fn failure(error: &anyhow::Error) {
    line("error", &format!("{error:#}"));
}

fn line(step: &str, text: &str) {
    // A standard error that is closed is no reason to fail.
    let _ = writeln!(stderr(), "{step:>12}  {text}");
}
