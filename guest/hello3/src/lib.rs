//! The smallest useful handler of WASI 0.3: `Hello from /path?query`.
//!
//! One file without helpers, so that a first handler can be copied from it. `hello` answers the same
//! with WASI 0.2.

use wasip3::exports::http::handler::Guest;
use wasip3::http::types::{ErrorCode, Fields, Request, Response};
use wasip3::{wit_bindgen, wit_future, wit_stream};

struct Hello;

wasip3::http::service::export!(Hello);

impl Guest for Hello {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let path = request.get_path_with_query().unwrap_or_else(|| "/".to_owned());
        let text = format!("Hello from {path}\n");

        let headers = Fields::new();
        for (name, value) in
            [("content-type", "text/plain; charset=utf-8"), ("content-length", &text.len().to_string())]
        {
            headers
                .append(name, value.as_bytes())
                .expect("headers: these names and values are always allowed");
        }

        let (mut body, contents) = wit_stream::new();
        // Dropped, it says that no trailers follow.
        let (_, trailers) = wit_future::new(|| Ok(None));
        let (response, _sent) = Response::new(headers, Some(contents), trailers);
        // The head leaves when this function returns; the body follows it.
        wit_bindgen::spawn_local(async move {
            // What is left over means that the client has gone. Nobody is left to tell.
            let _ = body.write_all(text.into_bytes()).await;
        });
        Ok(response)
    }
}
