//! The facts as JSON, for programs. Nine strings do not need a library.

use std::fmt::Write as _;

use crate::facts::Facts;

/// One object of strings, in the order of the page.
pub(crate) fn render(facts: &Facts) -> String {
    let members: Vec<_> =
        facts.iter().map(|fact| format!("  {}: {}", string(fact.key), string(&fact.value))).collect();
    format!("{{\n{}\n}}\n", members.join(",\n"))
}

/// One object with a single member, the form of our errors.
pub(crate) fn render_error(message: &str) -> String {
    format!("{{\n  \"error\": {}\n}}\n", string(message))
}

/// `text` as a JSON string (RFC 8259 §7).
fn string(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            control if control < ' ' => {
                write!(quoted, "\\u{:04x}", u32::from(control)).expect("write: into a String")
            }
            plain => quoted.push(plain),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped() {
        assert_eq!(string("a \"b\" \\ \n é"), r#""a \"b\" \\ \u000a é""#);
    }

    #[test]
    fn facts_are_one_object() {
        let json = render(&Facts::read(|name| Some(format!("<{name}>"))));
        assert!(json.starts_with("{\n  \"version\": \"<WASM_HOST_VERSION>\",\n"));
        assert!(json.ends_with("\"max_body\": \"<WASM_HOST_MAX_BODY>\"\n}\n"));
    }
}
