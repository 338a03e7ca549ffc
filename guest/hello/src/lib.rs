//! The smallest useful handler: `Hello from /path?query`.
//!
//! One file without helpers, so that a first handler can be copied from it. `hello-js` and
//! `hello-py` answer the same in their languages.

use std::io::Write as _;

use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam};

struct Hello;

wasip2::http::proxy::export!(Hello);

impl Guest for Hello {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let path = request.path_with_query().unwrap_or_else(|| "/".to_owned());
        let text = format!("Hello from {path}\n");

        let headers = Fields::new();
        for (name, value) in
            [("content-type", "text/plain; charset=utf-8"), ("content-length", &text.len().to_string())]
        {
            headers
                .append(name, value.as_bytes())
                .expect("headers: these names and values are always allowed");
        }

        let response = OutgoingResponse::new(headers);
        let body = response.body().expect("body: a new response still has its body");
        // The head leaves now; what follows is streamed.
        ResponseOutparam::set(out, Ok(response));

        let mut stream = body.write().expect("stream: a new body still has its stream");
        // An error here means that the client has gone. Nobody is left to tell.
        if stream.write_all(text.as_bytes()).is_ok() && stream.flush().is_ok() {
            drop(stream); // a body can only be finished after its stream is closed
            let _ = OutgoingBody::finish(body, None);
        }
    }
}
