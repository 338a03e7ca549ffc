//! `outgoing-handler.handle`: what is sent, what comes back, and which error says what went wrong. The
//! server at `?upstream=` answers by path; its half is in `tests/serving/conformance`.

use behaviours::body::BodyReader;
use behaviours::wasip2::http::outgoing_handler;
use behaviours::wasip2::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, HeaderError, IncomingBody, IncomingResponse, Method,
    OutgoingBody, OutgoingRequest, RequestOptions, Scheme, http_error_code,
};
use behaviours::wasip2::io::streams::StreamError;

use crate::Check;
use crate::call::{Call, Outcome};
use crate::ensure;
use crate::fields::immutable;

pub(crate) const CHECKS: &[Check] = &[
    ("sent-request-is-what-was-made", request_is_what_was_made),
    ("sent-request-without-path-asks-for-the-root", without_path_asks_for_the_root),
    ("sent-body-and-trailers-arrive", body_and_trailers_arrive),
    ("sent-request-needs-an-authority", needs_an_authority),
    ("sent-request-needs-a-known-scheme", needs_a_known_scheme),
    ("sent-request-that-is-not-granted-is-denied", not_granted_is_denied),
    ("refused-connection-is-told", refused_connection_is_told),
    ("unknown-name-is-told", unknown_name_is_told),
    ("answer-that-is-no-http-is-told", no_http_is_told),
    ("first-byte-timeout-is-honoured", first_byte_timeout_is_honoured),
    ("between-bytes-timeout-is-honoured", between_bytes_timeout_is_honoured),
    ("received-status-is-told", received_status_is_told),
    ("received-headers-are-immutable", received_headers_are_immutable),
    ("received-body-is-consumed-once", received_body_is_consumed_once),
    ("received-trailers-are-told-and-immutable", received_trailers),
    ("received-response-is-taken-once", response_is_taken_once),
    ("received-response-is-ready-when-polled", response_is_ready_when_polled),
    ("broken-body-is-an-http-error", broken_body_is_an_http_error),
];

/// A GET of `path` from the server at hand.
fn request(call: &Call, path: &str) -> Result<OutgoingRequest, String> {
    addressed(Fields::new(), call.authority("upstream")?, path)
}

fn addressed(fields: Fields, authority: &str, path: &str) -> Result<OutgoingRequest, String> {
    let request = OutgoingRequest::new(fields);
    request.set_scheme(Some(&Scheme::Http)).map_err(|()| "set-scheme: an error")?;
    request.set_authority(Some(authority)).map_err(|()| "set-authority: an error")?;
    request.set_path_with_query(Some(path)).map_err(|()| "set-path-with-query: an error")?;
    Ok(request)
}

fn handle(request: OutgoingRequest) -> Result<FutureIncomingResponse, ErrorCode> {
    outgoing_handler::handle(request, None)
}

fn wait(future: &FutureIncomingResponse) -> Result<IncomingResponse, ErrorCode> {
    future.subscribe().block();
    future.get().expect("response: it is ready").expect("response: it is taken once")
}

/// The response, or the error code with which the request failed, whichever way it was told.
fn fetch(request: OutgoingRequest) -> Result<IncomingResponse, ErrorCode> {
    wait(&handle(request)?)
}

fn get(call: &Call, path: &str) -> Result<IncomingResponse, String> {
    fetch(request(call, path)?).map_err(|code| format!("{path}: {code:?}"))
}

fn text(response: &IncomingResponse) -> Result<String, String> {
    let body = response.consume().map_err(|()| "consume: an error")?;
    let mut all = Vec::new();
    for chunk in BodyReader::new(body) {
        all.extend(chunk?);
    }
    Ok(String::from_utf8_lossy(&all).into_owned())
}

/// What the server says it got.
fn echoed(request: OutgoingRequest) -> Result<String, String> {
    text(&fetch(request).map_err(|code| format!("{code:?}"))?)
}

fn request_is_what_was_made(call: &Call) -> Outcome {
    let fields = Fields::new();
    for (name, value) in [("x-twice", &b"a"[..]), ("x-twice", b"b"), ("x-bytes", b"caf\xe9")] {
        fields.append(name, value).map_err(|error| format!("{error:?}"))?;
    }
    let upstream = call.authority("upstream")?;
    let request = addressed(fields, upstream, "/echo?a=b%20c&d")?;
    request.set_method(&Method::Other("PROPFIND".to_owned())).map_err(|()| "set-method: an error")?;
    let text = echoed(request)?;
    for line in [
        "PROPFIND /echo?a=b%20c&d HTTP/1.1\r\n".to_owned(),
        format!("host: {upstream}\r\n"),
        "x-twice: a\r\nx-twice: b\r\n".to_owned(),
        "x-bytes: caf\u{fffd}\r\n".to_owned(),
    ] {
        ensure!(text.contains(&line), "no {line:?}: {text:?}");
    }
    Ok(())
}

fn without_path_asks_for_the_root(call: &Call) -> Outcome {
    let request = request(call, "/")?;
    request.set_path_with_query(None).map_err(|()| "set-path-with-query: an error")?;
    let text = echoed(request)?;
    ensure!(text.starts_with("GET / HTTP/1.1\r\n"), "{text:?}");
    Ok(())
}

fn body_and_trailers_arrive(call: &Call) -> Outcome {
    let request = request(call, "/echo")?;
    request.set_method(&Method::Post).map_err(|()| "set-method: an error")?;
    let body = request.body().map_err(|()| "body: an error")?;
    let future = handle(request).map_err(|code| format!("{code:?}"))?;
    let stream = body.write().map_err(|()| "write: an error")?;
    stream.blocking_write_and_flush(b"first, ").map_err(|error| format!("{error:?}"))?;
    stream.blocking_write_and_flush(b"second").map_err(|error| format!("{error:?}"))?;
    drop(stream);
    let trailers = Fields::new();
    trailers.append("x-sum", b"13").map_err(|error| format!("{error:?}"))?;
    OutgoingBody::finish(body, Some(trailers)).map_err(|code| format!("finish: {code:?}"))?;
    let text = text(&wait(&future).map_err(|code| format!("{code:?}"))?)?;
    for part in ["POST /echo HTTP/1.1\r\n", "first, ", "second", "0\r\n"] {
        ensure!(text.contains(part), "no {part:?}: {text:?}");
    }
    // Where the server did not say that it takes them, trailers may be left out (RFC 9110 §6.5.1).
    ensure!(text.ends_with("\r\n\r\n"), "no end: {text:?}");
    Ok(())
}

fn needs_an_authority(_: &Call) -> Outcome {
    for scheme in [Scheme::Http, Scheme::Https] {
        let request = OutgoingRequest::new(Fields::new());
        request.set_scheme(Some(&scheme)).map_err(|()| "set-scheme: an error")?;
        ensure!(fetch(request).is_err(), "{scheme:?}: sent");
    }
    Ok(())
}

fn needs_a_known_scheme(call: &Call) -> Outcome {
    let request = request(call, "/hello")?;
    request.set_scheme(Some(&Scheme::Other("gopher".to_owned()))).map_err(|()| "set-scheme: an error")?;
    ensure!(fetch(request).is_err(), "sent");
    Ok(())
}

fn not_granted_is_denied(_: &Call) -> Outcome {
    let result = handle(addressed(Fields::new(), "denied.example", "/")?);
    ensure!(matches!(result, Err(ErrorCode::HttpRequestDenied)), "{:?}", result.err());
    Ok(())
}

fn refused_connection_is_told(call: &Call) -> Outcome {
    let result = fetch(addressed(Fields::new(), call.authority("closed")?, "/")?);
    ensure!(matches!(result, Err(ErrorCode::ConnectionRefused)), "{:?}", result.err());
    Ok(())
}

fn unknown_name_is_told(_: &Call) -> Outcome {
    let result = fetch(addressed(Fields::new(), "nowhere.invalid", "/")?);
    ensure!(matches!(result, Err(ErrorCode::DnsError(_))), "{:?}", result.err());
    Ok(())
}

fn no_http_is_told(call: &Call) -> Outcome {
    let result = fetch(request(call, "/nonsense")?);
    ensure!(matches!(result, Err(ErrorCode::HttpProtocolError)), "{:?}", result.err());
    Ok(())
}

const PATIENCE_NANOSECONDS: u64 = 100_000_000;

fn first_byte_timeout_is_honoured(call: &Call) -> Outcome {
    let options = RequestOptions::new();
    options.set_first_byte_timeout(Some(PATIENCE_NANOSECONDS)).map_err(|()| "not supported")?;
    let future = outgoing_handler::handle(request(call, "/silent")?, Some(options));
    let result = wait(&future.map_err(|code| format!("{code:?}"))?);
    let timeout = matches!(result, Err(ErrorCode::ConnectionReadTimeout | ErrorCode::HttpResponseTimeout));
    ensure!(timeout, "{:?}", result.err());
    Ok(())
}

fn between_bytes_timeout_is_honoured(call: &Call) -> Outcome {
    let options = RequestOptions::new();
    options.set_between_bytes_timeout(Some(PATIENCE_NANOSECONDS)).map_err(|()| "not supported")?;
    let future = outgoing_handler::handle(request(call, "/half")?, Some(options));
    let response = wait(&future.map_err(|code| format!("{code:?}"))?).map_err(|code| format!("{code:?}"))?;
    let code = failure(&response)?;
    ensure!(matches!(code, Some(ErrorCode::ConnectionReadTimeout)), "{code:?}");
    Ok(())
}

fn received_status_is_told(call: &Call) -> Outcome {
    for status in [200, 204, 302, 418, 599] {
        let response = get(call, &format!("/status/{status}"))?;
        ensure!(response.status() == status, "{status} became {}", response.status());
    }
    Ok(())
}

fn received_headers_are_immutable(call: &Call) -> Outcome {
    let response = get(call, "/fields")?;
    let headers = response.headers();
    ensure!(headers.get("x-twice") == [b"a", b"b"], "{:?}", headers.entries());
    ensure!(headers.get("X-Bytes") == [b"caf\xe9"], "{:?}", headers.entries());
    immutable(&headers, "x-twice")
}

fn received_body_is_consumed_once(call: &Call) -> Outcome {
    let response = get(call, "/hello")?;
    let first = text(&response)?;
    ensure!(first == "hello", "{first:?}");
    ensure!(response.consume().is_err(), "the second call: success");
    Ok(())
}

fn received_trailers(call: &Call) -> Outcome {
    let response = get(call, "/trailers")?;
    let body = response.consume().map_err(|()| "consume: an error")?;
    let mut reader = BodyReader::new(body);
    for chunk in reader.by_ref() {
        chunk?;
    }
    let trailers = reader.trailers()?.ok_or("there are none")?;
    ensure!(trailers.get("x-sum") == [b"7"], "{:?}", trailers.entries());
    let result = trailers.append("x-a", b"1");
    ensure!(matches!(result, Err(HeaderError::Immutable)), "append: {result:?}");
    Ok(())
}

fn response_is_taken_once(call: &Call) -> Outcome {
    let future = handle(request(call, "/hello")?).map_err(|code| format!("{code:?}"))?;
    future.subscribe().block();
    let first = future.get();
    ensure!(matches!(first, Some(Ok(Ok(_)))), "the first call: {first:?}");
    let second = future.get();
    ensure!(matches!(second, Some(Err(()))), "the second call: {second:?}");
    Ok(())
}

fn response_is_ready_when_polled(call: &Call) -> Outcome {
    let future = handle(request(call, "/hello")?).map_err(|code| format!("{code:?}"))?;
    let pollable = future.subscribe();
    pollable.block();
    ensure!(pollable.ready(), "not ready after the wait");
    ensure!(future.get().is_some(), "none after the wait");
    Ok(())
}

fn broken_body_is_an_http_error(call: &Call) -> Outcome {
    let code = failure(&get(call, "/broken")?)?;
    ensure!(code.is_some(), "the error has no code");
    Ok(())
}

/// Reads a body to the error it ends with, and asks what that has to do with HTTP.
fn failure(response: &IncomingResponse) -> Result<Option<ErrorCode>, String> {
    let body: IncomingBody = response.consume().map_err(|()| "consume: an error")?;
    let stream = body.stream().map_err(|()| "stream: an error")?;
    loop {
        match stream.blocking_read(1024) {
            Ok(_) => {}
            Err(StreamError::Closed) => return Err("the body ended like a whole one".to_owned()),
            Err(StreamError::LastOperationFailed(error)) => {
                let code = http_error_code(&error);
                let next = stream.read(1);
                ensure!(matches!(next, Err(StreamError::Closed)), "a read after the error: {next:?}");
                return Ok(code);
            }
        }
    }
}
