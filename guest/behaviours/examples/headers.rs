//! Answers what it was sent, one fact a line: `method GET`, `path-with-query /x`, `scheme http`,
//! `authority host:port`, then `header name: value` for every request header.
//!
//! Claim: a guest sees the client's request as it was sent, and nothing that is the host's own
//! business: no hop-by-hop header, no forged internal one.

use behaviours::prelude::*;
use behaviours::wasip2::http::types::{Method, Scheme};

behaviours::export!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let mut lines = vec![
        format!("method {}", method(request.method())),
        format!("path-with-query {}", or_none(request.path_with_query())),
        format!("scheme {}", or_none(request.scheme().map(scheme))),
        format!("authority {}", or_none(request.authority())),
    ];
    for (name, value) in request.headers().entries() {
        lines.push(format!("header {name}: {}", value.escape_ascii()));
    }
    lines.push(String::new());
    answer(out, 200, &lines.join("\n"));
}

fn or_none(value: Option<String>) -> String {
    value.unwrap_or_else(|| "none".to_owned())
}

fn method(method: Method) -> String {
    match method {
        Method::Get => "GET".to_owned(),
        Method::Head => "HEAD".to_owned(),
        Method::Post => "POST".to_owned(),
        Method::Put => "PUT".to_owned(),
        Method::Delete => "DELETE".to_owned(),
        Method::Connect => "CONNECT".to_owned(),
        Method::Options => "OPTIONS".to_owned(),
        Method::Trace => "TRACE".to_owned(),
        Method::Patch => "PATCH".to_owned(),
        Method::Other(name) => name,
    }
}

fn scheme(scheme: Scheme) -> String {
    match scheme {
        Scheme::Http => "http".to_owned(),
        Scheme::Https => "https".to_owned(),
        Scheme::Other(name) => name,
    }
}
