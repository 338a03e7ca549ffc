//! JSON log lines that do nothing to whoever looks at them: JSON escapes the ASCII controls, but
//! lets through the C1 ones, which terminals obey, and the characters that turn text around.

use std::fmt::Write as _;
use std::io::{self, Write};

/// Passes JSON on, line by line, with such characters as `\uXXXX`. They stand only inside strings,
/// where that means the same.
pub(super) struct Harmless<W>(pub(super) W);

impl<W: Write> Write for Harmless<W> {
    /// Writes all of `line`, in one piece.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if line.is_ascii() {
            self.0.write_all(line)?;
        } else {
            self.0.write_all(escaped(&String::from_utf8_lossy(line)).as_bytes())?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn escaped(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    for c in line.chars() {
        // All of them are a single unit of UTF-16, as JSON counts.
        let written = if acts(c) { write!(text, "\\u{:04x}", u32::from(c)) } else { text.write_char(c) };
        written.expect("a string takes everything");
    }
    text
}

/// Controls beyond ASCII, marks and overrides of direction, and separators of lines.
fn acts(c: char) -> bool {
    matches!(c, '\u{80}'..='\u{9f}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_is_escaped_and_means_the_same() {
        for text in
            ["plain", "café", "\u{9b}31m", "a\u{202e}b\u{2028}c\u{2066}", "\u{1b}[0m \0 \u{7f}\r\n", "😀"]
        {
            let line = serde_json::to_string(text).expect("a string");
            let mut written = Vec::new();
            Harmless(&mut written).write_all(line.as_bytes()).expect("a vector takes everything");
            let written = String::from_utf8(written).expect("UTF-8");
            assert!(!written.chars().any(acts), "{written:?}");
            assert_eq!(serde_json::from_str::<String>(&written).expect("JSON"), text);
        }
    }
}
