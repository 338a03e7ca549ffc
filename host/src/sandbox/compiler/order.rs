//! What the host and the compiler's process say to each other: an order with the component's bytes one way, an
//! answer with the code's bytes the other. Each begins with a line of JSON.

use crate::sandbox::code::CodeSettings;
use crate::sandbox::component::LoadError;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, Read, Write};

/// Bytes of a line: nothing that is said in one is longer.
const LINE_BYTES_MAX: u64 = 64 * 1024;
/// Characters of a refusal that are passed on: what the compiler says quotes names of the component's.
const MESSAGE_CHARS_MAX: usize = 2000;

/// What to compile, how, and within which limits. The component follows.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Order {
    /// How.
    pub(super) code: CodeSettings,
    /// Bytes of the component.
    pub(super) component_bytes: u64,
    /// Bytes of address space that the process may have.
    pub(super) memory_bytes_max: u64,
    /// Seconds of CPU time that it may use.
    pub(super) cpu_s_max: u64,
    /// Whether it only gets what nobody else wants of the machine.
    pub(super) yields: bool,
}

/// What became of it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Answer {
    /// It is compiled; so many bytes of code follow.
    Code(u64),
    /// It is not.
    Refused(Refusal),
}

/// Why a component is not compiled.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Refusal {
    /// It is no valid component.
    Invalid(String),
    /// It needs a proposal that is off.
    Unsupported(String),
    /// It is more than the compiler takes.
    TooComplex(String),
    /// It takes more than the compiler may have.
    Limit(String),
    /// The compiler failed.
    Failed(String),
}

impl From<Refusal> for LoadError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Invalid(what) => Self::Invalid(what),
            Refusal::Unsupported(what) => Self::Unsupported(what),
            Refusal::TooComplex(what) => Self::TooComplex(what),
            Refusal::Limit(what) => Self::CompileLimit(what),
            Refusal::Failed(what) => Self::CompileFailed(what),
        }
    }
}

/// Writes one line.
pub(super) fn write_line(to: &mut impl Write, what: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(what)?;
    line.push(b'\n');
    to.write_all(&line)
}

/// Reads one line, and not a byte more.
pub(super) fn read_line<T: DeserializeOwned>(from: &mut impl BufRead) -> io::Result<T> {
    let mut line = Vec::new();
    from.take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
    Ok(serde_json::from_slice(&line)?)
}

/// Whether a message is about memory that is at its end: the allocator's, the system's, and what is said where
/// a thread is refused for want of it.
pub(super) fn is_out_of_memory(message: &str) -> bool {
    const SAID: [&str; 3] =
        ["memory allocation of", "Cannot allocate memory", "Resource temporarily unavailable"];
    SAID.iter().any(|said| message.contains(said))
}

/// A message as it may be passed on.
pub(super) fn bounded(message: &str) -> String {
    match message.char_indices().nth(MESSAGE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_to_its_end_and_no_further() {
        let mut wire = Vec::new();
        let answer = Answer::Refused(Refusal::Invalid("line\nfeed \u{1b}[31m".to_owned()));
        write_line(&mut wire, &answer).expect("a vector takes everything");
        write_line(&mut wire, &Answer::Code(3)).expect("a vector takes everything");
        wire.extend(b"abc");
        let mut from = &wire[..];
        assert_eq!(read_line::<Answer>(&mut from).expect("a line"), answer);
        assert_eq!(read_line::<Answer>(&mut from).expect("a line"), Answer::Code(3));
        assert_eq!(from, b"abc");
        assert!(read_line::<Answer>(&mut from).is_err());
    }

    #[test]
    fn a_message_of_the_longest_kind_fits_a_line() {
        let message = bounded(&"\u{1}".repeat(1_000_000));
        let mut wire = Vec::new();
        write_line(&mut wire, &Refusal::Failed(message.clone())).expect("a vector takes everything");
        assert!((wire.len() as u64) < LINE_BYTES_MAX, "{}", wire.len());
        assert_eq!(read_line::<Refusal>(&mut &wire[..]).expect("a line"), Refusal::Failed(message));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = read_line::<Answer>(&mut &bytes[..]);
            let _ = read_line::<Order>(&mut &bytes[..]);
        }
    }
}
