//! What a path can be taken for. A guest may decode `%2e`, merge `//` or resolve `..` where the table
//! does not, and would so be asked for what was routed to somebody else. So a path that can be read in
//! several ways is routed by each of them, and served only if all lead to the same place.
//!
//! RFC 3986 §6.2.2: escapes of characters that need none mean those characters; that is no second
//! reading but the same path.

use std::fmt::Write as _;

/// Whether the path can be read in one way only, as nearly all can. Costs one look at each byte.
pub(super) fn is_plain(path: &str) -> bool {
    let bytes = path.as_bytes();
    bytes.iter().enumerate().all(|(at, &byte)| match byte {
        b'/' => match &bytes[at + 1..] {
            [b'/', ..] | [b'.'] | [b'.', b'/', ..] | [b'.', b'.'] | [b'.', b'.', b'/', ..] => false,
            [..] => true,
        },
        _ => is_plain_byte(byte),
    })
}

/// `pchar` of RFC 3986 §3.3, without escapes.
fn is_plain_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte)
}

/// Text as a segment of a path carries it: escapes in capitals where they are needed, and nowhere else.
pub(super) fn encode(segment: &[u8]) -> String {
    let mut encoded = String::with_capacity(segment.len());
    for byte in decode(segment) {
        if is_plain_byte(byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("a string takes everything");
        }
    }
    encoded
}

/// Decodes escapes once; what is no escape stays.
fn decode(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [byte, after @ ..] = rest {
        match (byte, after) {
            (b'%', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                let digit = |byte: u8| char::from(byte).to_digit(16).unwrap_or_default() as u8;
                decoded.push(digit(*high) << 4 | digit(*low));
                rest = after;
            }
            _ => {
                decoded.push(*byte);
                rest = after;
            }
        }
    }
    decoded
}

/// Everything that the path can be taken for, each once; ten at most.
pub(super) fn readings(path: &str) -> Vec<String> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let shallow: Vec<Vec<u8>> = path.as_bytes().split(|byte| *byte == b'/').map(decode).collect();
    let deep: Vec<Vec<u8>> =
        decode(path.as_bytes()).split(|byte| b"/\\".contains(byte)).map(<[u8]>::to_vec).collect();
    let mut all = Vec::new();
    for segments in [shallow, deep] {
        let (merged, resolved) = (merge(&segments), resolve(&segments));
        all.extend([resolve(&merged), merge(&resolved), merged, resolved, segments].map(join));
    }
    all.sort_unstable();
    all.dedup();
    all
}

/// Without empty segments, but for the last one, which is a slash at the end.
fn merge(segments: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let last = segments.len().saturating_sub(1);
    let kept = segments.iter().enumerate().filter(|(at, segment)| *at == last || !segment.is_empty());
    kept.map(|(_, segment)| segment.clone()).collect()
}

/// Without `.` and `..` (RFC 3986 §5.2.4).
fn resolve(segments: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut kept: Vec<Vec<u8>> = Vec::new();
    let last = segments.len().saturating_sub(1);
    for (at, segment) in segments.iter().enumerate() {
        match segment.as_slice() {
            b"." | b".." => {
                if segment.len() == 2 {
                    kept.pop();
                }
                if at == last {
                    kept.push(Vec::new());
                }
            }
            _ => kept.push(segment.clone()),
        }
    }
    kept
}

/// Segments are decoded by now: a `%` is one.
fn join(segments: Vec<Vec<u8>>) -> String {
    let mut path = String::new();
    for segment in &segments {
        path.push('/');
        for &byte in segment {
            if is_plain_byte(byte) {
                path.push(char::from(byte));
            } else {
                write!(path, "%{byte:02X}").expect("a string takes everything");
            }
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_plain_path_has_one_reading_and_it_is_itself() {
        for path in ["/", "/a/b", "/a/", "/.well-known/x", "/a..b/c.", "/...", "/a;b=c,d"] {
            assert!(is_plain(path), "{path}");
            assert_eq!(readings(path), [path]);
        }
    }

    #[test]
    fn what_guests_make_of_a_path_is_among_its_readings() {
        for (path, expected) in [
            ("//admin", "/admin"),
            ("/%61dmin", "/admin"),
            ("/a/../admin", "/admin"),
            ("/a/%2e%2E/admin", "/admin"),
            ("/a%2f..%2fadmin", "/admin"),
            ("/a\\..\\admin", "/admin"),
            ("/./admin", "/admin"),
            ("/a//../admin", "/a/admin"),
            ("/a//../admin", "/admin"),
            ("/admin%2f", "/admin/"),
            ("/admin/.", "/admin/"),
            ("/admin/x/..", "/admin/"),
            ("/../../admin", "/admin"),
        ] {
            assert!(!is_plain(path), "{path}");
            assert!(readings(path).iter().any(|reading| reading == expected), "{path}: {:?}", readings(path));
        }
    }

    proptest! {
        #[test]
        fn readings_are_bounded_and_paths(path in "(/|\\.|%2e|%2F|%|\\\\|a|é|%00){0,40}") {
            let all = readings(&format!("/{path}"));
            prop_assert!((1..=10).contains(&all.len()));
            for reading in all {
                prop_assert!(reading.starts_with('/') || reading.is_empty(), "{}", reading);
                prop_assert!(reading.len() <= 3 * (path.len() + 1));
            }
        }

        #[test]
        fn plain_paths_are_what_they_are(path in "(/|\\.|-|a|b){0,40}") {
            let path = format!("/{path}");
            if is_plain(&path) {
                prop_assert_eq!(readings(&path), [path]);
            }
        }
    }
}
