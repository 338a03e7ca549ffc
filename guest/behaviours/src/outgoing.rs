//! Outgoing requests: from a URL to a response, with every failure as text.

use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    Fields, FutureIncomingResponse, IncomingResponse, OutgoingRequest, RequestOptions, Scheme,
};

/// Sends a GET to `url`, and does not wait for the response.
///
/// # Errors
///
/// What is wrong with the URL, or the error code with which the host refused the request.
pub fn start(url: &str, options: RequestOptions) -> Result<FutureIncomingResponse, String> {
    let (scheme, rest) = url.split_once("://").ok_or("url: it has no scheme")?;
    let (authority, path) = match rest.find('/') {
        Some(start) => rest.split_at(start),
        None => (rest, "/"),
    };
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => Scheme::Other(other.to_owned()),
    };
    let request = OutgoingRequest::new(Fields::new());
    request.set_scheme(Some(&scheme)).map_err(|()| "url: the host refuses its scheme")?;
    request.set_authority(Some(authority)).map_err(|()| "url: the host refuses its authority")?;
    request.set_path_with_query(Some(path)).map_err(|()| "url: the host refuses its path")?;
    outgoing_handler::handle(request, Some(options)).map_err(|code| format!("{code:?}"))
}

/// Waits for the head of the response.
///
/// # Errors
///
/// The error code with which the request failed.
pub fn wait(response: FutureIncomingResponse) -> Result<IncomingResponse, String> {
    response.subscribe().block();
    let ready = response.get().expect("response: it is ready");
    ready.expect("response: it is taken once").map_err(|code| format!("{code:?}"))
}
