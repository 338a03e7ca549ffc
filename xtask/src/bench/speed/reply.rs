//! Where a response ends, told as it comes: of an answer of a mebibyte no byte is looked at twice, and
//! only as much is kept as tells what it was (RFC 9112 §6 and §7.1).

/// How much of a body is kept to look at.
const KEPT_BYTES_MAX: usize = 1024;
/// The longest head, or line between chunks, that is waited for.
const LINES_BYTES_MAX: usize = 16 * 1024;

/// A response that is coming.
#[derive(Default)]
pub(super) struct Reply {
    stage: Stage,
    /// The beginning of a head or of a line that has come in parts.
    partial: Vec<u8>,
    status: u16,
    closes: bool,
    kept: Vec<u8>,
    body_bytes: usize,
}

/// What comes next.
#[derive(Default, Clone, Copy)]
enum Stage {
    #[default]
    Head,
    /// So much of a body of declared length.
    Body {
        left: usize,
    },
    ChunkSize,
    /// So much of a chunk, with the line end after it.
    Chunk {
        left: usize,
    },
    /// Trailers, or the empty line after them.
    Trailers,
}

/// How far a response is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Partial,
    /// All of it has come.
    Whole {
        status: u16,
        reusable: bool,
    },
    /// It is no response that is understood here: one without a length, or something else.
    Malformed,
}

impl Reply {
    /// Begins with the next response on the same connection.
    pub(super) fn begin(&mut self) {
        self.stage = Stage::Head;
        self.partial.clear();
        self.closes = false;
        self.kept.clear();
        self.body_bytes = 0;
    }

    /// The beginning of the body.
    pub(super) fn kept(&self) -> &[u8] {
        &self.kept
    }

    /// How long the body is so far.
    pub(super) fn body_bytes(&self) -> usize {
        self.body_bytes
    }

    /// Takes what has come. Nothing follows a whole response: no second one was asked for.
    pub(super) fn take(&mut self, mut bytes: &[u8]) -> Step {
        loop {
            let next = match self.stage {
                Stage::Head => self.until(&mut bytes, b"\r\n\r\n", Self::head),
                Stage::ChunkSize => self.until(&mut bytes, b"\r\n", Self::chunk_size),
                Stage::Trailers => self.until(&mut bytes, b"\r\n", |_, line| match line.len() {
                    2 => Some(Stage::Body { left: 0 }),
                    _ => Some(Stage::Trailers),
                }),
                Stage::Body { left: 0 } => {
                    return Step::Whole { status: self.status, reusable: !self.closes };
                }
                Stage::Body { left } => {
                    let taken = self.body(&mut bytes, left);
                    Ok((taken > 0).then_some(Stage::Body { left: left - taken }))
                }
                Stage::Chunk { left: end @ 0..=2 } => Ok((!bytes.is_empty()).then(|| {
                    let taken = end.min(bytes.len());
                    bytes = &bytes[taken..];
                    if taken == end { Stage::ChunkSize } else { Stage::Chunk { left: end - taken } }
                })),
                Stage::Chunk { left } => {
                    let taken = self.body(&mut bytes, left - 2);
                    Ok((taken > 0).then_some(Stage::Chunk { left: left - taken }))
                }
            };
            match next {
                Ok(Some(stage)) => self.stage = stage,
                Ok(None) => return Step::Partial,
                Err(NoResponse) => return Step::Malformed,
            }
        }
    }

    /// Reads what ends with `mark`, which may have begun in what came before; none where the end is to come.
    fn until(
        &mut self,
        bytes: &mut &[u8],
        mark: &[u8],
        read: impl Fn(&mut Self, &[u8]) -> Option<Stage>,
    ) -> Result<Option<Stage>, NoResponse> {
        if self.partial.is_empty()
            && let Some(end) = end_of(bytes, mark)
        {
            let (whole, rest) = bytes.split_at(end);
            *bytes = rest;
            return read(self, whole).map(Some).ok_or(NoResponse);
        }
        let before = self.partial.len();
        self.partial.extend_from_slice(bytes);
        let Some(end) = end_of(&self.partial, mark) else {
            *bytes = &[];
            return if self.partial.len() > LINES_BYTES_MAX { Err(NoResponse) } else { Ok(None) };
        };
        *bytes = &bytes[end - before..];
        let mut whole = std::mem::take(&mut self.partial);
        let stage = read(self, &whole[..end]);
        whole.clear();
        self.partial = whole;
        stage.map(Some).ok_or(NoResponse)
    }

    fn head(&mut self, head: &[u8]) -> Option<Stage> {
        let mut lines = std::str::from_utf8(head).ok()?.split("\r\n");
        self.status = lines.next()?.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
        let mut stage = None;
        for line in lines {
            let Some((name, value)) = line.split_once(':') else { continue };
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                stage = Some(Stage::Body { left: value.parse().ok()? });
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                stage = value.eq_ignore_ascii_case("chunked").then_some(Stage::ChunkSize);
            } else if name.eq_ignore_ascii_case("connection") {
                self.closes = value.eq_ignore_ascii_case("close");
            }
        }
        stage
    }

    fn chunk_size(&mut self, line: &[u8]) -> Option<Stage> {
        let line = std::str::from_utf8(line).ok()?;
        match usize::from_str_radix(line.split(';').next()?.trim(), 16).ok()? {
            0 => Some(Stage::Trailers),
            size => Some(Stage::Chunk { left: size.checked_add(2)? }),
        }
    }

    /// Takes up to `left` bytes of a body, and returns how many there were.
    fn body(&mut self, bytes: &mut &[u8], left: usize) -> usize {
        let (body, rest) = bytes.split_at(left.min(bytes.len()));
        let kept = body.len().min(KEPT_BYTES_MAX - self.kept.len());
        self.kept.extend_from_slice(&body[..kept]);
        self.body_bytes += body.len();
        *bytes = rest;
        body.len()
    }
}

/// What came is no response.
struct NoResponse;

fn end_of(bytes: &[u8], mark: &[u8]) -> Option<usize> {
    bytes.windows(mark.len()).position(|window| window == mark).map(|begin| begin + mark.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks what `text` is when it comes at once, byte by byte, and cut in two anywhere.
    fn check(text: &str, expected: Step, body: &str) {
        let bytes = text.as_bytes();
        let mut reply = Reply::default();
        for cut in 0..bytes.len() {
            reply.begin();
            assert_eq!(reply.take(&bytes[..cut]), Step::Partial, "{cut} bytes of {text:?}");
            assert_eq!(reply.take(&bytes[cut..]), expected, "{text:?} cut at {cut}");
            assert_eq!(reply.kept(), body.as_bytes(), "{text:?} cut at {cut}");
        }
        reply.begin();
        let steps: Vec<_> = bytes.chunks(1).map(|byte| reply.take(byte)).collect();
        assert_eq!(steps.last(), Some(&expected), "{text:?} byte by byte");
        assert_eq!((reply.kept(), reply.body_bytes()), (body.as_bytes(), body.len()));
    }

    #[test]
    fn declared_length_ends_a_response() {
        let whole = Step::Whole { status: 200, reusable: true };
        check("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n", whole, "hello\n");
        let whole = Step::Whole { status: 503, reusable: false };
        check("HTTP/1.1 503 Busy\r\nconnection: close\r\ncontent-length:0\r\n\r\n", whole, "");
    }

    #[test]
    fn last_chunk_ends_a_response() {
        let whole = Step::Whole { status: 200, reusable: true };
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        check(&format!("{head}6\r\nhello\n\r\n0\r\n\r\n"), whole, "hello\n");
        check(
            &format!("{head}A;x=y\r\n0\r\n\r\n0\r\n\r\n\r\n1\r\n!\r\n0\r\n\r\n"),
            whole,
            "0\r\n\r\n0\r\n\r\n!",
        );
        check(&format!("{head}0\r\nsum: 1\r\nmore: 2\r\n\r\n"), whole, "");
    }

    #[test]
    fn long_bodies_are_counted_and_not_kept() {
        let mut reply = Reply::default();
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n";
        assert_eq!(reply.take(head), Step::Partial);
        for _ in 0..99 {
            assert_eq!(reply.take(&[b'x'; 1000]), Step::Partial);
        }
        assert_eq!(reply.take(&[b'x'; 1000]), Step::Whole { status: 200, reusable: true });
        assert_eq!((reply.body_bytes(), reply.kept().len()), (100_000, KEPT_BYTES_MAX));
    }

    #[test]
    fn what_is_no_response_is_told() {
        let no_length = "HTTP/1.1 200 OK\r\n\r\n";
        let bad_chunk = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n";
        for text in ["SSH-2.0\r\n\r\n", no_length, "HTTP/1.1 x\r\ncontent-length: 0\r\n\r\n", bad_chunk] {
            assert_eq!(Reply::default().take(text.as_bytes()), Step::Malformed, "{text:?}");
        }
        let endless = vec![b'x'; LINES_BYTES_MAX + 1];
        assert_eq!(Reply::default().take(&endless), Step::Malformed);
    }
}
