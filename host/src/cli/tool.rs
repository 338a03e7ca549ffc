//! What the program does besides serving: a word in the place of the component, with arguments of its own.

use super::{compile, completions, exit::Failure, inspect, manage, packages, signing};
use clap::{ArgMatches, Command};
use std::io::Write as _;

/// One word and what it does. A component of that name is served as `./NAME`.
pub(super) struct Tool {
    /// The word, its arguments and its help.
    pub(super) command: fn() -> Command,
    /// Does it.
    pub(super) run: fn(ArgMatches) -> Result<(), Failure>,
}

/// Every word, in the order of the help.
pub(super) const TOOLS: &[Tool] = &[
    manage::DEPLOY,
    manage::LIST,
    manage::SHOW,
    manage::VERSIONS,
    manage::ROLLBACK,
    manage::CANARY,
    manage::PROMOTE,
    manage::PAUSE,
    manage::RESUME,
    manage::REMOVE,
    manage::LOGS,
    inspect::CONFIG,
    signing::KEYGEN,
    signing::SIGN,
    signing::VERIFY,
    packages::PUSH,
    packages::PULL,
    completions::COMPLETIONS,
    compile::COMPILE,
];

/// The tool that this word calls.
pub(super) fn find(word: &str) -> Option<&'static Tool> {
    TOOLS.iter().find(|tool| (tool.command)().get_name() == word)
}

/// Answers on standard output; that nobody reads it is no failure.
pub(super) fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
