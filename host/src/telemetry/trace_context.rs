//! W3C Trace Context: which trace a request belongs to.
//! <https://www.w3.org/TR/trace-context/#traceparent-header>

use http::HeaderValue;
use std::fmt;

/// The trace id of a valid `traceparent`; an invalid one counts as absent, as the standard asks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TraceParent {
    trace_id: u128,
}

impl TraceParent {
    /// Reads `version "-" trace-id "-" parent-id "-" flags`; later versions may append fields.
    pub fn parse(value: &HeaderValue) -> Option<Self> {
        let text = value.to_str().ok()?;
        let mut parts = text.split('-');
        let version = hex(parts.next()?, 2)?;
        let trace_id = hex(parts.next()?, 32)?;
        let parent_id = hex(parts.next()?, 16)?;
        hex(parts.next()?, 2)?;
        let well_formed = version != 0xff && trace_id != 0 && parent_id != 0;
        let complete = version != 0 || parts.next().is_none();
        (well_formed && complete).then_some(Self { trace_id })
    }
}

/// Exactly `digits` lower-case hexadecimal digits.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let lower = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    (text.len() == digits && text.bytes().all(lower)).then(|| u128::from_str_radix(text, 16).ok())?
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.trace_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(text: &str) -> Option<String> {
        TraceParent::parse(&HeaderValue::from_str(text).ok()?).map(|parent| parent.to_string())
    }

    #[test]
    fn the_standards_example_is_read() {
        let value = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(trace(value).as_deref(), Some("4bf92f3577b34da6a3ce929d0e0e4736"));
        assert!(trace(&value.replacen("00", "01", 1)).is_some());
        assert!(trace(&format!("{}-later", value.replacen("00", "01", 1))).is_some());
    }

    #[test]
    fn invalid_values_count_as_absent() {
        for value in [
            "",
            "00",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(trace(value), None, "{value}");
        }
    }
}
