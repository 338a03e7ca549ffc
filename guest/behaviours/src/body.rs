//! Reading a body to its end, chunk by chunk and without ever holding all of it.

use wasip2::http::types::{IncomingBody, Trailers};
use wasip2::io::streams::{InputStream, StreamError};

/// The most that is asked for, and so held, at a time.
const CHUNK_BYTES_MAX: u64 = 64 * 1024;

/// An incoming body that is being read.
pub struct BodyReader {
    // Before the body: a stream has to be dropped before the body it belongs to.
    stream: InputStream,
    body: IncomingBody,
}

impl BodyReader {
    /// # Panics
    ///
    /// Where the stream of `body` was taken before.
    pub fn new(body: IncomingBody) -> Self {
        let stream = body.stream().expect("stream: a body has one stream");
        Self { stream, body }
    }

    /// Waits for what follows the body.
    ///
    /// # Errors
    ///
    /// The host's own words where the body broke before its trailers.
    pub fn trailers(self) -> Result<Option<Trailers>, String> {
        let Self { stream, body } = self;
        drop(stream);
        let trailers = IncomingBody::finish(body);
        trailers.subscribe().block();
        let ready = trailers.get().expect("trailers: they are ready");
        ready.expect("trailers: they are taken once").map_err(|error| format!("{error:?}"))
    }
}

/// Waits for one chunk after the other; an error is the host's own words where the body broke.
impl Iterator for BodyReader {
    type Item = Result<Vec<u8>, String>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.stream.blocking_read(CHUNK_BYTES_MAX) {
            Ok(chunk) => Some(Ok(chunk)),
            Err(StreamError::Closed) => None,
            Err(StreamError::LastOperationFailed(error)) => Some(Err(error.to_debug_string())),
        }
    }
}
