//! HTTP/2 frame by frame, for clients that no library would be: RFC 9113 §4.1 and just enough of HPACK.

use super::Client;
use std::io::{self, Read, Write};
use std::net::TcpStream;

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Types of frames (RFC 9113 §6).
pub mod kind {
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;
}

pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// One frame.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    pub fn new(kind: u8, flags: u8, stream: u32, payload: impl Into<Vec<u8>>) -> Self {
        Self { kind, flags, stream, payload: payload.into() }
    }

    /// A GET of `path` that ends its stream.
    pub fn get(stream: u32, path: &str) -> Self {
        Self::new(kind::HEADERS, END_HEADERS | END_STREAM, stream, head("GET", path))
    }

    pub fn reset(stream: u32) -> Self {
        const CANCEL: u32 = 8;
        Self::new(kind::RST_STREAM, 0, stream, CANCEL.to_be_bytes())
    }

    pub fn window(stream: u32, more: u32) -> Self {
        Self::new(kind::WINDOW_UPDATE, 0, stream, more.to_be_bytes())
    }

    /// The error code of a GOAWAY or RST_STREAM.
    pub fn code(&self) -> u32 {
        let at = if self.kind == kind::GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().expect("four bytes"))
    }

    /// As it is on the wire.
    pub fn bytes(&self) -> Vec<u8> {
        let length = u32::try_from(self.payload.len()).expect("a short payload").to_be_bytes();
        let stream = self.stream.to_be_bytes();
        [&length[1..], &[self.kind, self.flags], &stream, &self.payload].concat()
    }
}

/// A field that is not to be remembered (RFC 7541 §6.2.2), its name and value up to 126 bytes long.
pub fn literal(name: &str, value: &str) -> Vec<u8> {
    let length = |text: &str| u8::try_from(text.len()).ok().filter(|length| *length < 127).expect("short");
    [&[0, length(name)], name.as_bytes(), &[length(value)], value.as_bytes()].concat()
}

/// The header block of a request.
pub fn head(method: &str, path: &str) -> Vec<u8> {
    let fields = [(":method", method), (":scheme", "http"), (":path", path), (":authority", "a.example")];
    fields.iter().flat_map(|(name, value)| literal(name, value)).collect()
}

/// A client's end of one connection.
pub struct Frames {
    pub stream: TcpStream,
}

impl Frames {
    /// Connects and opens with the preface and empty settings.
    #[track_caller]
    pub fn open(client: &Client) -> Self {
        let mut frames = Self { stream: client.connect() };
        frames.stream.write_all(PREFACE).expect("the host reads");
        assert!(frames.send(&Frame::new(kind::SETTINGS, 0, 0, [])));
        frames
    }

    /// Sends one frame; false once the host has closed.
    pub fn send(&mut self, frame: &Frame) -> bool {
        self.stream.write_all(&frame.bytes()).is_ok()
    }

    /// Sends bytes as they are; false once the host has closed.
    pub fn send_bytes(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Reads the next frame; none once the host has closed.
    pub fn next(&mut self) -> Option<Frame> {
        self.read().ok()
    }

    /// Reads frames until one is `wanted`; none if the host closes before.
    pub fn find(&mut self, wanted: impl Fn(&Frame) -> bool) -> Option<Frame> {
        std::iter::from_fn(|| self.next()).find(wanted)
    }

    fn read(&mut self) -> io::Result<Frame> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head)?;
        let [a, b, c, kind, flags, stream @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        self.stream.read_exact(&mut payload)?;
        Ok(Frame { kind, flags, stream: u32::from_be_bytes(stream) & 0x7fff_ffff, payload })
    }
}
