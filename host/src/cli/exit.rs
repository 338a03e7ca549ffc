//! How the program ends: the exit codes of sysexits(3) that tell a script whose turn it is, and the
//! last words on standard error.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use crate::config::Mistakes;

/// The arguments are wrong (`EX_USAGE`).
pub(super) const USAGE: u8 = 64;
/// A running host refuses what it is asked for (`EX_DATAERR`).
pub(super) const REFUSED: u8 = 65;
/// No host answers (`EX_UNAVAILABLE`).
pub(super) const UNAVAILABLE: u8 = 69;
/// It does not know who asks (`EX_NOPERM`).
pub(super) const DENIED: u8 = 77;
/// The settings, or what they point at, are wrong (`EX_CONFIG`).
pub(super) const CONFIGURATION: u8 = 78;
/// Anything else, such as an address in use.
pub(super) const OTHER: u8 = 1;

/// Why the program ends without having drained.
#[derive(Debug)]
pub(super) enum Failure {
    /// The command line alone is at fault.
    Usage(anyhow::Error),
    /// A running host does not do it.
    Refused(anyhow::Error),
    /// There is none that answers.
    Unavailable(anyhow::Error),
    /// It does not know who asks.
    Denied(anyhow::Error),
    /// The settings, or what they point at, are at fault.
    Configuration(anyhow::Error),
    /// The machine, or the program, is at fault.
    Other(anyhow::Error),
}

impl Failure {
    /// Says on standard error what went wrong, and answers with the exit code.
    pub(super) fn report(self) -> ExitCode {
        let (error, code) = match self {
            Self::Usage(error) => (error, USAGE),
            Self::Refused(error) => (error, REFUSED),
            Self::Unavailable(error) => (error, UNAVAILABLE),
            Self::Denied(error) => (error, DENIED),
            Self::Configuration(error) => (error, CONFIGURATION),
            Self::Other(error) => (error, OTHER),
        };
        // A closed standard error is no reason to end in another way.
        let _ = std::io::stderr().write_all(text(&error).as_bytes());
        ExitCode::from(code)
    }
}

impl From<Mistakes> for Failure {
    fn from(mistakes: Mistakes) -> Self {
        if mistakes.only_in_flags() {
            Self::Usage(mistakes.into())
        } else {
            Self::Configuration(mistakes.into())
        }
    }
}

/// Prints what clap has to say: help and version to standard output, a usage error to standard error.
pub(super) fn answer(answer: &clap::Error) -> ExitCode {
    let _ = answer.print();
    if answer.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS }
}

/// Every line that starts a message is marked; its details and causes are indented below it.
fn text(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for line in block(error.as_ref()).lines() {
        let mark = if line.starts_with(' ') { "" } else { "error: " };
        let _ = writeln!(text, "{mark}{line}");
    }
    text
}

/// An error with its causes indented below it.
pub(super) fn block(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, "\n  cause: {}", error.to_string().replace('\n', "\n    "));
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn causes_stand_below_the_error() {
        let error =
            anyhow!("offset 3\nis no section").context("not a component").context("cannot serve a.wasm");
        assert_eq!(
            text(&error),
            "error: cannot serve a.wasm\n  cause: not a component\n  cause: offset 3\n    is no section\n"
        );
    }

    #[test]
    fn each_block_is_marked_once() {
        let error = anyhow!("a:1:1: x\n  fix: y\nb:1:1: x\n  fix: y\n2 mistakes");
        assert_eq!(text(&error), "error: a:1:1: x\n  fix: y\nerror: b:1:1: x\n  fix: y\nerror: 2 mistakes\n");
    }
}
