//! Middleware for WASI 0.3: who sends `Authorization: Bearer TOKEN` is passed on to the handler behind it,
//! with the header `x-authenticated: yes`, everyone else is answered 401. The token comes from the
//! environment variable `AUTH_TOKEN`.
//!
//! The body of the request and the whole response pass by it: neither is copied.

mod bindings {
    #![allow(missing_docs, unsafe_op_in_unsafe_fn, clippy::all, reason = "generated")]
    wit_bindgen::generate!({
        // Only this version's: beside another one, names would be longer.
        path: [
            "../../wit/deps/clocks-0.3.wit",
            "../../wit/deps/filesystem-0.3.wit",
            "../../wit/deps/sockets-0.3.wit",
            "../../wit/deps/random-0.3.wit",
            "../../wit/deps/cli-0.3.wit",
            "../../wit/deps/http-0.3.wit",
        ],
        inline: "
            package wasm-host:auth3;

            world middleware {
                import wasi:http/handler@0.3.0;
                export wasi:http/handler@0.3.0;
            }
        ",
        world: "wasm-host:auth3/middleware",
        generate_all,
    });
}

use bindings::exports::wasi::http::handler::Guest;
use bindings::wasi::http::handler as behind;
use bindings::wasi::http::types::{ErrorCode, Fields, HeaderError, Request, Response};
use bindings::{wit_future, wit_stream};

/// Tells the handler that somebody looked; a client cannot forge it, as it is always replaced.
const AUTHENTICATED: &str = "x-authenticated";

struct Auth;

bindings::export!(Auth with_types_in bindings);

impl Guest for Auth {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        match std::env::var("AUTH_TOKEN") {
            Ok(token) if knows(&request, &token) => behind::handle(authenticated(request)?).await,
            Ok(_) => refuse(401, "who are you?\n"),
            Err(_) => refuse(500, "auth: AUTH_TOKEN is not set\n"),
        }
    }
}

/// Whether the request brings the token.
fn knows(request: &Request, token: &str) -> bool {
    let values = request.get_headers().get("authorization");
    let [value] = values.as_slice() else { return false };
    value.strip_prefix(b"Bearer ").is_some_and(|given| same(given, token.as_bytes()))
}

/// Compares in a time that does not tell how much of a guess was right.
fn same(given: &[u8], token: &[u8]) -> bool {
    let differences = given.iter().zip(token).fold(0, |sum, (a, b)| sum | (a ^ b));
    given.len() == token.len() && differences == 0
}

/// The same request with one more header: those of a request that came in cannot be changed, so it is
/// made anew around its body.
fn authenticated(request: Request) -> Result<Request, ErrorCode> {
    let headers = request.get_headers().clone();
    headers.set(AUTHENTICATED, &[b"yes".to_vec()]).map_err(internal)?;
    let options = request.get_options().map(|options| options.clone());
    let (method, path) = (request.get_method(), request.get_path_with_query());
    let (scheme, authority) = (request.get_scheme(), request.get_authority());
    let (_, taken) = wit_future::new(|| Ok(()));
    let (body, trailers) = Request::consume_body(request, taken);
    let (request, _) = Request::new(headers, Some(body), trailers, options);
    let set = [
        request.set_method(&method),
        request.set_path_with_query(path.as_deref()),
        request.set_scheme(scheme.as_ref()),
        request.set_authority(authority.as_deref()),
    ];
    match set.iter().all(Result::is_ok) {
        true => Ok(request),
        false => Err(ErrorCode::InternalError(Some("auth: the host refuses its own request".to_owned()))),
    }
}

fn refuse(status: u16, text: &'static str) -> Result<Response, ErrorCode> {
    let headers = Fields::new();
    for (name, value) in [("content-type", "text/plain; charset=utf-8"), ("www-authenticate", "Bearer")] {
        headers.append(name, value.as_bytes()).map_err(internal)?;
    }
    let (mut body, contents) = wit_stream::new();
    // Dropped, it says that no trailers follow.
    let (_, trailers) = wit_future::new(|| Ok(None));
    let (response, _) = Response::new(headers, Some(contents), trailers);
    response.set_status_code(status).map_err(|()| ErrorCode::ConfigurationError)?;
    wit_bindgen::spawn_local(async move {
        // What is left over means that the client has gone.
        let _ = body.write_all(text.as_bytes().to_vec()).await;
    });
    Ok(response)
}

fn internal(error: HeaderError) -> ErrorCode {
    ErrorCode::InternalError(Some(format!("auth: {error:?}")))
}
