//! Where a response ends, and whether its connection can take another request: as much of HTTP/1.1 as
//! a load generator needs (RFC 9112 §6).

/// What the bytes that have come so far are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    /// The beginning of a response.
    Partial,
    /// A whole response.
    Whole {
        /// Its status code.
        status: u16,
        /// Whether the connection stays open.
        reusable: bool,
    },
    /// Something else.
    Malformed,
}

/// Looks at everything that has come since the request was sent.
///
/// Responses without a declared length are not understood: the servers here send none.
pub(super) fn parse(bytes: &[u8]) -> Parsed {
    let Some(head_end) = find(bytes, b"\r\n\r\n") else { return Parsed::Partial };
    let Ok(head) = std::str::from_utf8(&bytes[..head_end]) else { return Parsed::Malformed };
    let mut lines = head.split("\r\n");
    let status_line = lines.next().unwrap_or_default();
    let status = status_line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    let Some(status) = status else { return Parsed::Malformed };

    let mut length = None;
    let mut chunked = false;
    let mut reusable = true;
    for line in lines {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            length = value.parse::<usize>().ok();
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            chunked = value.eq_ignore_ascii_case("chunked");
        } else if name.eq_ignore_ascii_case("connection") {
            reusable = !value.eq_ignore_ascii_case("close");
        }
    }
    let body = &bytes[head_end + 4..];
    let whole = match (chunked, length) {
        (true, _) => chunks_end(body),
        (false, Some(length)) => Some(body.len() >= length),
        (false, None) => None,
    };
    match whole {
        Some(true) => Parsed::Whole { status, reusable },
        Some(false) => Parsed::Partial,
        None => Parsed::Malformed,
    }
}

/// Whether the last chunk and the end of the trailers are there; none where these are no chunks.
fn chunks_end(mut body: &[u8]) -> Option<bool> {
    // Ends: every turn but the last takes at least a size and a line end off the body.
    loop {
        let Some(line_end) = find(body, b"\r\n") else { return Some(false) };
        let line = std::str::from_utf8(&body[..line_end]).ok()?;
        let size = usize::from_str_radix(line.split(';').next()?.trim(), 16).ok()?;
        if size == 0 {
            return Some(find(&body[line_end..], b"\r\n\r\n").is_some());
        }
        let Some(rest) = body.get(line_end.checked_add(size)?.checked_add(4)?..) else { return Some(false) };
        body = rest;
    }
}

fn find(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    bytes.windows(pattern.len()).position(|window| window == pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks what `text` is, and that everything shorter is only its beginning.
    fn check(text: &str, expected: Parsed) {
        assert_eq!(parse(text.as_bytes()), expected, "{text:?}");
        for length in 0..text.len() {
            assert_eq!(parse(&text.as_bytes()[..length]), Parsed::Partial, "{length} bytes of {text:?}");
        }
    }

    #[test]
    fn declared_length_ends_a_response() {
        let whole = Parsed::Whole { status: 200, reusable: true };
        check("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n", whole);
        let whole = Parsed::Whole { status: 503, reusable: false };
        check("HTTP/1.1 503 Busy\r\nconnection: close\r\ncontent-length:0\r\n\r\n", whole);
    }

    #[test]
    fn last_chunk_ends_a_response() {
        let whole = || Parsed::Whole { status: 200, reusable: true };
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        check(&format!("{head}6\r\nhello\n\r\n0\r\n\r\n"), whole());
        check(&format!("{head}A;x=y\r\n0\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n"), whole());
        check(&format!("{head}0\r\nsum: 1\r\n\r\n"), whole());
    }

    #[test]
    fn what_is_no_response_is_told() {
        for text in ["SSH-2.0\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 x\r\ncontent-length: 0\r\n\r\n"]
        {
            assert_eq!(parse(text.as_bytes()), Parsed::Malformed, "{text:?}");
        }
        let bad_chunk = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n";
        assert_eq!(parse(bad_chunk.as_bytes()), Parsed::Malformed);
    }
}
