//! Answering: a whole text at once, or a head with a body to write to.

use wasip3::http::types::{ErrorCode, Fields, Response, Trailers};
use wasip3::wit_bindgen::rt::async_support::{FutureReader, FutureWriter, StreamWriter};
use wasip3::wit_bindgen::spawn_local;
use wasip3::{wit_future, wit_stream};

/// What a response's transmission came to.
pub type Sent = FutureReader<Result<(), ErrorCode>>;

/// Answers with `text` as plain text, whole and with its length.
pub fn answer(status: u16, text: impl Into<String>) -> Response {
    let text = text.into();
    let length = text.len().to_string();
    let headers = [("content-type", "text/plain; charset=utf-8"), ("content-length", length.as_str())];
    let (response, mut body, _) = open(status, &headers);
    spawn_local(async move {
        if body.write(text).await {
            body.finish(None).await;
        }
    });
    response
}

/// A response to return, the body that is to follow, and what becomes of both.
///
/// # Panics
///
/// Where a status or header is not allowed: behaviours that want to send such go their own way.
pub fn open(status: u16, headers: &[(&str, &str)]) -> (Response, Body, Sent) {
    let fields = Fields::new();
    for (name, value) in headers {
        fields.append(name, value.as_bytes()).expect("headers: the host refuses this one");
    }
    let (stream, contents) = wit_stream::new();
    let (end, trailers) = wit_future::new(|| Err(ErrorCode::HttpResponseIncomplete));
    let (response, sent) = Response::new(fields, Some(contents), trailers);
    response.set_status_code(status).expect("status: the host refuses it");
    (response, Body { stream, end }, sent)
}

/// The body of a response. Dropped without [`Body::finish`], it ends with an error.
pub struct Body {
    stream: StreamWriter<u8>,
    end: FutureWriter<Result<Option<Trailers>, ErrorCode>>,
}

impl Body {
    /// Writes all of `bytes` and waits until the host has taken them. False where it no longer
    /// wants any: the client is gone.
    pub async fn write(&mut self, bytes: impl Into<Vec<u8>>) -> bool {
        self.stream.write_all(bytes.into()).await.is_empty()
    }

    /// Ends the body. False where nobody hears of it.
    pub async fn finish(self, trailers: Option<Trailers>) -> bool {
        let Self { stream, end } = self;
        drop(stream);
        end.write(Ok(trailers)).await.is_ok()
    }
}
