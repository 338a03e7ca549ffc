//! Patterns of paths: `/users/{id}`, `/files/{*rest}`, `/report-{year}.pdf`, or `*` for every path.

use super::RouteError;
use super::readings::encode;
use std::fmt::{self, Write as _};

/// Bytes of a pattern at most.
const PATTERN_BYTES_MAX: usize = 1024;
/// Segments of a pattern at most.
const SEGMENTS_MAX: usize = 64;

/// The paths that a route is for, as it was written and as it is compared.
#[derive(Clone, Debug)]
pub struct PathPattern {
    text: String,
    /// None for every path.
    pub(super) segments: Option<Vec<Segment>>,
}

/// What a segment of a path has to be. The order is that of how specific they are, the most specific
/// first.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) enum Segment {
    /// This, percent-encoded in the one way that [`encode`] does.
    Literal(String),
    /// Anything between a beginning and an end of which one at least is not empty.
    Partly {
        /// What it begins with.
        prefix: String,
        /// What it ends with.
        suffix: String,
    },
    /// Anything that is not empty.
    One,
    /// All the segments that are left, if they are more than an empty one.
    Rest,
}

impl PathPattern {
    /// Every path, and what is no path (`OPTIONS *`).
    pub fn every() -> Self {
        Self { text: "*".to_owned(), segments: None }
    }

    /// Reads a pattern.
    pub(super) fn parse(text: &str) -> Result<Self, RouteError> {
        if text == "*" {
            return Ok(Self::every());
        }
        let refuse = |why| RouteError::Path { path: text.to_owned(), why };
        let inner = text.strip_prefix('/').ok_or_else(|| refuse("it does not begin with `/`"))?;
        if text.len() > PATTERN_BYTES_MAX {
            return Err(RouteError::Long(PATTERN_BYTES_MAX));
        }
        if text.contains(['?', '#']) {
            return Err(refuse("a query or a fragment is no part of a path"));
        }
        let mut segments = Vec::new();
        let mut names = Vec::new();
        for segment in inner.split('/') {
            if segments.last() == Some(&Segment::Rest) {
                return Err(refuse("`{*…}` stands for all that is left, so nothing may follow it"));
            }
            let last = segments.len() + 1 == inner.split('/').count();
            if segment.is_empty() && !last {
                return Err(refuse("it has an empty segment (`//`)"));
            }
            segments.push(self::segment(segment, &mut names).map_err(refuse)?);
        }
        if segments.len() > SEGMENTS_MAX {
            return Err(refuse("it has more than 64 segments"));
        }
        Ok(Self { text: text.to_owned(), segments: Some(segments) })
    }

    /// The pattern as it was written, with escapes in the place of what is not ASCII.
    pub fn to_ascii(&self) -> String {
        let mut ascii = String::with_capacity(self.text.len());
        for byte in self.text.bytes() {
            match byte.is_ascii() {
                true => ascii.push(char::from(byte)),
                false => write!(ascii, "%{byte:02X}").expect("a string takes everything"),
            }
        }
        ascii
    }
}

/// Reads one segment; the names of parameters must differ, although nobody is told them: two that are
/// alike are a slip of the pen.
fn segment<'a>(text: &'a str, names: &mut Vec<&'a str>) -> Result<Segment, &'static str> {
    let Some(open) = text.find('{') else { return literal(text).map(Segment::Literal) };
    let (prefix, rest) = (&text[..open], &text[open + 1..]);
    let close = rest.find('}').ok_or("a `{` is not closed")?;
    let (name, suffix) = (&rest[..close], &rest[close + 1..]);
    if suffix.contains('{') {
        return Err("a segment has one parameter at most");
    }
    let (name, all) = match name.strip_prefix('*') {
        Some(name) => (name, true),
        None => (name, false),
    };
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    if name.is_empty() || !name.bytes().all(fits) {
        return Err("a parameter has a name of letters, digits, `_` and `-`, as in `{id}`");
    }
    if names.contains(&name) {
        return Err("two parameters have the same name");
    }
    names.push(name);
    let (prefix, suffix) = (literal(prefix)?, literal(suffix)?);
    match (prefix.is_empty() && suffix.is_empty(), all) {
        (true, true) => Ok(Segment::Rest),
        (false, true) => Err("`{*…}` is a segment of its own, as in `/files/{*rest}`"),
        (true, false) => Ok(Segment::One),
        (false, false) => Ok(Segment::Partly { prefix, suffix }),
    }
}

/// Text as paths carry it. Percent-encoded or not, it means the same.
fn literal(text: &str) -> Result<String, &'static str> {
    if matches!(text, "." | "..") {
        return Err("`.` and `..` are no segments that a request can have");
    }
    if text.contains('}') {
        return Err("a `}` closes nothing");
    }
    if text.bytes().any(|byte| byte.is_ascii_control() || byte == b'\\' || byte == b' ') {
        return Err("it has a space, a backslash or a control character");
    }
    let encoded = encode(text.as_bytes());
    if ["%2F", "%5C", "%00"].iter().any(|odd| encoded.contains(odd)) || encoded.contains("%25") {
        return Err("it has an encoded `/`, `\\`, `%` or NUL, which requests are not told apart by");
    }
    Ok(encoded)
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for PathPattern {
    /// Whether they are for the same paths.
    fn eq(&self, other: &Self) -> bool {
        self.segments == other.segments
    }
}

impl Eq for PathPattern {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_read_or_refused_with_the_reason() {
        for text in [
            "/",
            "/a",
            "/a/",
            "/a/{id}",
            "/{*rest}",
            "/a-{x}.pdf",
            "/caf%C3%A9",
            "/café",
            "*",
            "/.well-known/x",
        ] {
            assert_eq!(PathPattern::parse(text).map(|path| path.to_string()), Ok(text.to_owned()));
        }
        assert_eq!(PathPattern::parse("/caf%c3%a9"), PathPattern::parse("/café"));
        for (text, why) in [
            ("", "does not begin"),
            ("a", "does not begin"),
            ("/a//b", "empty segment"),
            ("/{*rest}/a", "nothing may follow"),
            ("/a{*rest}", "segment of its own"),
            ("/{a}{b}", "one parameter"),
            ("/{a}/{a}", "the same name"),
            ("/{}", "a name of letters"),
            ("/{a", "not closed"),
            ("/a}", "closes nothing"),
            ("/a?b", "query"),
            ("/a/../b", "no segments"),
            ("/a b", "space"),
            ("/a%2fb", "encoded"),
        ] {
            let refused = PathPattern::parse(text).expect_err(text).to_string();
            assert!(refused.contains(why), "{text}: {refused}");
        }
        let long = |bytes| PathPattern::parse(&format!("/{}", "a".repeat(bytes)));
        assert!(long(1023).is_ok() && long(1024).is_err());
        let deep = |segments| PathPattern::parse(&"/a".repeat(segments));
        assert!(deep(64).is_ok() && deep(65).is_err());
    }
}
