//! Text from guests and clients, made safe for a log line: no control characters, no terminal
//! escapes, no broken UTF-8, nothing that could pass for a line of the host's own.

use std::fmt;

/// Shows `bytes` as text in which every control character, quote or invalid byte is an escape
/// (`\n`, `\u{1b}`, `\xff`) and everything else stands as it is.
pub fn escaped(bytes: &[u8]) -> impl fmt::Display {
    Escaped(bytes)
}

struct Escaped<'a>(&'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    // Quotes are harmless inside a line; escape_debug would mangle them.
                    '"' | '\'' => write!(f, "{c}")?,
                    _ => write!(f, "{}", c.escape_debug())?,
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn controls_and_broken_utf8_are_escaped_and_the_rest_is_not() {
        let line = escaped(b"ok \"caf\xc3\xa9\" \x1b[31m\r\n\0 \xff").to_string();
        assert_eq!(line, "ok \"café\" \\u{1b}[31m\\r\\n\\0 \\xff");
    }

    proptest! {
        #[test]
        fn no_control_character_survives(bytes: Vec<u8>) {
            prop_assert!(!escaped(&bytes).to_string().chars().any(char::is_control));
        }
    }
}
