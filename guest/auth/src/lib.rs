//! Middleware for WASI 0.2: who sends `Authorization: Bearer TOKEN` is passed on to the handler behind it,
//! everyone else is answered 401. The token comes from the environment variable `AUTH_TOKEN`.
//!
//! In 0.2 a middleware can answer in the place of its handler or leave request and answer to it as they
//! are: it cannot make a request or see an answer of its own. One for 0.3 can (`auth3`).

mod bindings {
    #![allow(missing_docs, unsafe_op_in_unsafe_fn, clippy::all, reason = "generated")]
    wit_bindgen::generate!({
        // Only this version's: beside another one, names would be longer.
        path: [
            "../../wit/deps/io.wit",
            "../../wit/deps/clocks.wit",
            "../../wit/deps/filesystem.wit",
            "../../wit/deps/sockets.wit",
            "../../wit/deps/random.wit",
            "../../wit/deps/cli.wit",
            "../../wit/deps/http.wit",
        ],
        inline: "
            package wasm-host:auth;

            world middleware {
                import wasi:http/incoming-handler@0.2.12;
                export wasi:http/incoming-handler@0.2.12;
            }
        ",
        world: "wasm-host:auth/middleware",
        generate_all,
    });
}

use bindings::exports::wasi::http::incoming_handler::Guest;
use bindings::wasi::http::incoming_handler as behind;
use bindings::wasi::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};

struct Auth;

bindings::export!(Auth with_types_in bindings);

impl Guest for Auth {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        match std::env::var("AUTH_TOKEN") {
            Ok(token) if knows(&request, &token) => behind::handle(request, out),
            Ok(_) => refuse(out, 401, "who are you?\n"),
            Err(_) => refuse(out, 500, "auth: AUTH_TOKEN is not set\n"),
        }
    }
}

/// Whether the request brings the token.
fn knows(request: &IncomingRequest, token: &str) -> bool {
    let values = request.headers().get("authorization");
    let [value] = values.as_slice() else { return false };
    value.strip_prefix(b"Bearer ").is_some_and(|given| same(given, token.as_bytes()))
}

/// Compares in a time that does not tell how much of a guess was right.
fn same(given: &[u8], token: &[u8]) -> bool {
    let differences = given.iter().zip(token).fold(0, |sum, (a, b)| sum | (a ^ b));
    given.len() == token.len() && differences == 0
}

fn refuse(out: ResponseOutparam, status: u16, text: &str) {
    let headers = Fields::new();
    for (name, value) in [("content-type", "text/plain; charset=utf-8"), ("www-authenticate", "Bearer")] {
        headers.append(name, value.as_bytes()).expect("headers: these are always allowed");
    }
    let response = OutgoingResponse::new(headers);
    response.set_status_code(status).expect("status: it is a valid one");
    let body = response.body().expect("body: a new response still has its body");
    ResponseOutparam::set(out, Ok(response));
    let stream = body.write().expect("stream: a new body still has its stream");
    // An error here means that the client has gone.
    if stream.blocking_write_and_flush(text.as_bytes()).is_ok() {
        drop(stream);
        let _ = OutgoingBody::finish(body, None);
    }
}
