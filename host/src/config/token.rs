//! The admin token: read once, kept as a digest, compared in constant time and never shown.

use super::mistake::Refusal;
use sha2::{Digest, Sha256};
use std::fmt;
use subtle::ConstantTimeEq;

/// Shorter ones can be guessed.
const CHARS_MIN: usize = 16;
const CHARS_MAX: usize = 256;

/// What a client must know to look after the host. The token itself is not kept: nothing that is
/// printed, logged or dumped can hold it.
#[derive(Clone)]
pub struct Token {
    digest: [u8; 32],
}

impl Token {
    /// Reads a token that fits into `Authorization: Bearer` (RFC 6750 §2.1).
    pub(super) fn read(text: &str) -> Result<Self, Refusal> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
        if (CHARS_MIN..=CHARS_MAX).contains(&text.len()) && text.bytes().all(fits) {
            return Ok(Self { digest: Sha256::digest(text).into() });
        }
        let expected = format!("{CHARS_MIN} to {CHARS_MAX} letters, digits and `-._~+/=`");
        Err(Refusal::expected(expected))
    }

    /// Whether `given` is the token. How long it takes depends on the length of `given` alone.
    pub fn matches(&self, given: &[u8]) -> bool {
        let given: [u8; 32] = Sha256::digest(given).into();
        self.digest.ct_eq(&given).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(not shown)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_matches() {
        let token = Token::read("correct-horse-battery").unwrap();
        assert!(token.matches(b"correct-horse-battery"));
        for given in ["", "correct-horse-batterx", "correct-horse-battery ", "correct-horse-batter"] {
            assert!(!token.matches(given.as_bytes()), "{given}");
        }
    }

    #[test]
    fn length_and_characters_are_bounded() {
        for (text, fits) in [
            ("a".repeat(15), false),
            ("a".repeat(16), true),
            ("a".repeat(256), true),
            ("a".repeat(257), false),
            ("-._~+/=aZ09aaaaaaa".to_owned(), true),
            ("sixteen chars ok".to_owned(), false),
            ("sixteen\nchars-ok".to_owned(), false),
        ] {
            assert_eq!(Token::read(&text).is_ok(), fits, "{text:?}");
        }
    }

    #[test]
    fn nothing_shows_the_token() {
        let token = Token::read("correct-horse-battery").unwrap();
        assert_eq!(format!("{token:?}"), "Token(not shown)");
        let refusal = Token::read("hunter2").unwrap_err();
        assert!(!refusal.to_string().contains("hunter2"), "{refusal}");
    }
}
