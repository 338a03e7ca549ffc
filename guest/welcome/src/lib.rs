//! The built-in handler: what is running here, and how to deploy one's own.
//!
//! This file owns the talk with the host: it reads the request and the facts, and writes the
//! response. What a request is answered with is decided in `reply`, which knows nothing of WASI
//! and is tested natively.

mod accept;
mod facts;
mod json;
mod page;
mod reply;

use std::io::Write as _;

use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{
    Fields, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam,
};

use crate::facts::Facts;
use crate::reply::{Reply, Verb};

struct Welcome;

wasip2::http::proxy::export!(Welcome);

impl Guest for Welcome {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let (verb, sends_body) = match request.method() {
            Method::Get => (Verb::Read, true),
            Method::Head => (Verb::Read, false),
            _ => (Verb::Other, true),
        };
        let target = request.path_with_query().unwrap_or_else(|| "/".to_owned());
        let path = target.split('?').next().unwrap_or("/");
        let facts = Facts::read(|name| std::env::var(name).ok());
        let reply = reply::reply(verb, path, &accept(&request), &facts);
        send(&reply, sends_body, out);
    }
}

/// All `Accept` fields as the one list that RFC 9110 §5.3 says they are.
fn accept(request: &IncomingRequest) -> String {
    let values = request.headers().get("accept");
    let lines: Vec<_> = values.iter().map(|value| String::from_utf8_lossy(value)).collect();
    lines.join(",")
}

fn send(reply: &Reply, sends_body: bool, out: ResponseOutparam) {
    let headers = Fields::new();
    for (name, value) in &reply.headers {
        headers.append(name, value.as_bytes()).expect("headers: these names and values are always allowed");
    }
    let response = OutgoingResponse::new(headers);
    response.set_status_code(reply.status).expect("status: it is one of ours");

    // The answer to HEAD has the headers of GET and no body: it is not even opened.
    if !sends_body {
        ResponseOutparam::set(out, Ok(response));
        return;
    }
    let body = response.body().expect("body: a new response still has its body");
    ResponseOutparam::set(out, Ok(response));
    let mut stream = body.write().expect("stream: a new body still has its stream");
    // An error here means that the client has gone. Nobody is left to tell.
    if stream.write_all(reply.body.as_bytes()).is_ok() && stream.flush().is_ok() {
        drop(stream); // a body can only be finished after its stream is closed
        let _ = OutgoingBody::finish(body, None);
    }
}
