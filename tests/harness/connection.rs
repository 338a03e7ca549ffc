//! One connection, written to in bare bytes and read answer by answer: for claims about keep-alive,
//! framing, trailers and what is on the wire.

use super::{Answer, Client};
use http::{HeaderMap, HeaderName, HeaderValue};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Instant;

/// What an answer's body is to be read by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Framing {
    /// There is none, whatever the head says.
    None,
    Length(usize),
    Chunked,
    UntilClose,
}

/// A client's end of one HTTP/1.1 connection.
pub struct Connection {
    stream: BufReader<TcpStream>,
    /// The trailers of the last answer.
    pub trailers: HeaderMap,
}

impl Connection {
    #[track_caller]
    pub fn open(client: &Client) -> Self {
        Self::over(client.connect())
    }

    /// The client's end of `stream`.
    pub fn over(stream: TcpStream) -> Self {
        Self { stream: BufReader::new(stream), trailers: HeaderMap::new() }
    }

    /// Sends bytes as they are; false once the host has closed.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.get_mut().write_all(bytes.as_ref()).is_ok()
    }

    /// Sends a chunk of a chunked body.
    pub fn send_chunk(&mut self, bytes: &[u8]) -> bool {
        let size = format!("{:x}\r\n", bytes.len());
        self.send([size.as_bytes(), bytes, b"\r\n"].concat())
    }

    /// Says that nothing more will be sent, and goes on reading.
    pub fn finish_sending(&mut self) {
        // A host that has closed needs no telling.
        let _ = self.stream.get_ref().shutdown(Shutdown::Write);
    }

    /// The writing side, for a thread of its own.
    #[track_caller]
    pub fn writer(&self) -> TcpStream {
        self.stream.get_ref().try_clone().expect("a second handle of a socket")
    }

    /// Reads the next answer; none if the host closed before its head was whole.
    pub fn answer(&mut self) -> Option<Answer> {
        self.read(|framing| framing)
    }

    /// Reads an answer that ends with its head: one to HEAD, a 204 or a 304.
    pub fn bodiless_answer(&mut self) -> Option<Answer> {
        self.read(|_| Framing::None)
    }

    /// Reads the head of the next answer and leaves its body, to be read by [`Self::chunk`].
    pub fn head_of_answer(&mut self) -> Option<Answer> {
        let began = Instant::now();
        let (status, headers) = self.head().ok()?;
        Some(Answer { status, headers, body: Vec::new(), broken: false, took: began.elapsed() })
    }

    /// Reads the next chunk of a chunked body; an empty one is the last, and its trailers are read.
    pub fn chunk(&mut self) -> io::Result<Vec<u8>> {
        let size = usize::from_str_radix(&self.line()?, 16).map_err(|_| io::ErrorKind::InvalidData)?;
        let mut chunk = Vec::new();
        if size == 0 {
            self.trailers = self.fields()?;
        } else {
            self.exactly(size, &mut chunk)?;
            self.line()?;
        }
        Ok(chunk)
    }

    /// Reads what is left until the host closes; anything it says counts.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // A reset is a way to close, too.
        let _ = self.stream.read_to_end(&mut rest);
        rest
    }

    fn read(&mut self, framing: impl FnOnce(Framing) -> Framing) -> Option<Answer> {
        let began = Instant::now();
        let mut answer = self.head_of_answer()?;
        self.trailers = HeaderMap::new();
        answer.broken = self.body(framing(framing_of(&answer.headers)), &mut answer.body).is_err();
        answer.took = began.elapsed();
        Some(answer)
    }

    fn head(&mut self) -> io::Result<(u16, HeaderMap)> {
        let line = self.line()?;
        let status = line.strip_prefix("HTTP/1.").and_then(|line| line.get(2..5)?.parse().ok());
        Ok((status.ok_or(io::ErrorKind::InvalidData)?, self.fields()?))
    }

    fn body(&mut self, framing: Framing, body: &mut Vec<u8>) -> io::Result<()> {
        match framing {
            Framing::None => Ok(()),
            Framing::Length(length) => self.exactly(length, body),
            Framing::UntilClose => self.stream.read_to_end(body).map(drop),
            Framing::Chunked => loop {
                let chunk = self.chunk()?;
                if chunk.is_empty() {
                    return Ok(());
                }
                body.extend_from_slice(&chunk);
            },
        }
    }

    fn exactly(&mut self, length: usize, body: &mut Vec<u8>) -> io::Result<()> {
        let read = self.stream.by_ref().take(length as u64).read_to_end(body)?;
        if read == length { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    fn fields(&mut self) -> io::Result<HeaderMap> {
        let mut fields = HeaderMap::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok(fields);
            }
            let (name, value) = line.split_once(':').ok_or(io::ErrorKind::InvalidData)?;
            let name = HeaderName::try_from(name).map_err(io::Error::other)?;
            fields.append(name, HeaderValue::try_from(value.trim()).map_err(io::Error::other)?);
        }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let line = line.strip_suffix("\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(line.to_owned())
    }
}

fn framing_of(headers: &HeaderMap) -> Framing {
    if headers.contains_key("transfer-encoding") {
        return Framing::Chunked;
    }
    let length = headers.get("content-length").and_then(|length| length.to_str().ok()?.parse().ok());
    length.map_or(Framing::UntilClose, Framing::Length)
}
