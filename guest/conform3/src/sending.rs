//! `client.send`: what is sent, what comes back, and which error says what went wrong. The server at
//! `?upstream=` answers by path; its half is in `tests/serving/conformance`.

use behaviours3::wasip3::http::client;
use behaviours3::wasip3::http::types::{
    ErrorCode, Fields, Method, Request, RequestOptions, Response, Scheme, Trailers,
};
use behaviours3::wasip3::wit_bindgen::spawn_local;
use behaviours3::wasip3::{wit_future, wit_stream};

use crate::call::{Call, Check, Outcome};
use crate::ensure;
use crate::fields::immutable;

pub(crate) const CHECKS: &[Check] = &[
    ("sent-request-is-what-was-made", |call| Box::pin(request_is_what_was_made(call))),
    ("sent-request-without-path-asks-for-the-root", |call| Box::pin(without_path(call))),
    ("sent-body-arrives-and-its-transmission-is-told", |call| Box::pin(body_arrives(call))),
    ("sent-request-needs-an-authority", |call| Box::pin(needs_an_authority(call))),
    ("sent-request-needs-a-known-scheme", |call| Box::pin(needs_a_known_scheme(call))),
    ("sent-request-that-is-not-granted-is-denied", |call| Box::pin(not_granted(call))),
    ("refused-connection-is-told", |call| Box::pin(refused_connection(call))),
    ("unknown-name-is-told", |call| Box::pin(unknown_name(call))),
    ("answer-that-is-no-http-is-told", |call| Box::pin(no_http(call))),
    ("first-byte-timeout-is-honoured", |call| Box::pin(first_byte_timeout(call))),
    ("between-bytes-timeout-is-honoured", |call| Box::pin(between_bytes_timeout(call))),
    ("received-status-is-told", |call| Box::pin(received_status(call))),
    ("received-headers-are-immutable", |call| Box::pin(received_headers(call))),
    ("received-body-and-trailers-are-told", |call| Box::pin(received_trailers(call))),
    ("broken-body-is-told-by-its-trailers", |call| Box::pin(broken_body(call))),
];

fn addressed(fields: Fields, authority: &str, path: &str) -> Result<Request, String> {
    with_options(fields, authority, path, None)
}

fn with_options(
    fields: Fields,
    authority: &str,
    path: &str,
    options: Option<RequestOptions>,
) -> Result<Request, String> {
    let (_, trailers) = wit_future::new(|| Ok(None));
    let (request, _) = Request::new(fields, None, trailers, options);
    address(&request, authority, path)?;
    Ok(request)
}

fn address(request: &Request, authority: &str, path: &str) -> Outcome {
    request.set_scheme(Some(&Scheme::Http)).map_err(|()| "set-scheme: an error")?;
    request.set_authority(Some(authority)).map_err(|()| "set-authority: an error")?;
    request.set_path_with_query(Some(path)).map_err(|()| "set-path-with-query: an error")?;
    Ok(())
}

async fn get(call: &Call, path: &str) -> Result<Response, String> {
    let request = addressed(Fields::new(), &call.authority("upstream")?, path)?;
    client::send(request).await.map_err(|code| format!("{path}: {code:?}"))
}

/// The body of a response, and what came after it.
async fn read(response: Response) -> (Vec<u8>, Result<Option<Trailers>, ErrorCode>) {
    let (_, taken) = wit_future::new(|| Ok(()));
    let (body, trailers) = Response::consume_body(response, taken);
    (body.collect().await, trailers.await)
}

/// What the server says it got.
async fn echoed(request: Request) -> Result<String, String> {
    let response = client::send(request).await.map_err(|code| format!("{code:?}"))?;
    let (bytes, ended) = read(response).await;
    ensure!(ended.is_ok(), "{ended:?}");
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

async fn request_is_what_was_made(call: Call) -> Outcome {
    let fields = Fields::new();
    for (name, value) in [("x-twice", &b"a"[..]), ("x-twice", b"b"), ("x-bytes", b"caf\xe9")] {
        fields.append(name, value).map_err(|error| format!("{error:?}"))?;
    }
    let upstream = call.authority("upstream")?;
    let request = addressed(fields, &upstream, "/echo?a=b%20c&d")?;
    request.set_method(&Method::Other("PROPFIND".to_owned())).map_err(|()| "set-method: an error")?;
    let text = echoed(request).await?;
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

async fn without_path(call: Call) -> Outcome {
    let request = addressed(Fields::new(), &call.authority("upstream")?, "/")?;
    request.set_path_with_query(None).map_err(|()| "set-path-with-query: an error")?;
    let text = echoed(request).await?;
    ensure!(text.starts_with("GET / HTTP/1.1\r\n"), "{text:?}");
    Ok(())
}

async fn body_arrives(call: Call) -> Outcome {
    let (mut writer, contents) = wit_stream::new();
    let (end, trailers) = wit_future::new(|| Err(ErrorCode::HttpProtocolError));
    let (request, sent) = Request::new(Fields::new(), Some(contents), trailers, None);
    address(&request, &call.authority("upstream")?, "/echo")?;
    request.set_method(&Method::Post).map_err(|()| "set-method: an error")?;
    spawn_local(async move {
        let _ = writer.write_all(b"first, ".to_vec()).await;
        let _ = writer.write_all(b"second".to_vec()).await;
        drop(writer);
        let _ = end.write(Ok(None)).await;
    });
    let text = echoed(request).await?;
    for part in ["POST /echo HTTP/1.1\r\n", "first, ", "second", "0\r\n"] {
        ensure!(text.contains(part), "no {part:?}: {text:?}");
    }
    let sent = sent.await;
    ensure!(sent.is_ok(), "transmission: {sent:?}");
    Ok(())
}

async fn needs_an_authority(_: Call) -> Outcome {
    for scheme in [Scheme::Http, Scheme::Https] {
        let (_, trailers) = wit_future::new(|| Ok(None));
        let (request, _) = Request::new(Fields::new(), None, trailers, None);
        request.set_scheme(Some(&scheme)).map_err(|()| "set-scheme: an error")?;
        ensure!(client::send(request).await.is_err(), "{scheme:?}: sent");
    }
    Ok(())
}

async fn needs_a_known_scheme(call: Call) -> Outcome {
    let request = addressed(Fields::new(), &call.authority("upstream")?, "/hello")?;
    request.set_scheme(Some(&Scheme::Other("gopher".to_owned()))).map_err(|()| "set-scheme: an error")?;
    ensure!(client::send(request).await.is_err(), "sent");
    Ok(())
}

async fn not_granted(_: Call) -> Outcome {
    let result = client::send(addressed(Fields::new(), "denied.example", "/")?).await;
    ensure!(matches!(result, Err(ErrorCode::HttpRequestDenied)), "{:?}", result.err());
    Ok(())
}

async fn refused_connection(call: Call) -> Outcome {
    let result = client::send(addressed(Fields::new(), &call.authority("closed")?, "/")?).await;
    ensure!(matches!(result, Err(ErrorCode::ConnectionRefused)), "{:?}", result.err());
    Ok(())
}

async fn unknown_name(_: Call) -> Outcome {
    let result = client::send(addressed(Fields::new(), "nowhere.invalid", "/")?).await;
    ensure!(matches!(result, Err(ErrorCode::DnsError(_))), "{:?}", result.err());
    Ok(())
}

async fn no_http(call: Call) -> Outcome {
    let request = addressed(Fields::new(), &call.authority("upstream")?, "/nonsense")?;
    let result = client::send(request).await;
    ensure!(matches!(result, Err(ErrorCode::HttpProtocolError)), "{:?}", result.err());
    Ok(())
}

const PATIENCE_NANOSECONDS: u64 = 100_000_000;

async fn first_byte_timeout(call: Call) -> Outcome {
    let options = RequestOptions::new();
    options.set_first_byte_timeout(Some(PATIENCE_NANOSECONDS)).map_err(|error| format!("{error:?}"))?;
    let upstream = call.authority("upstream")?;
    let result = client::send(with_options(Fields::new(), &upstream, "/silent", Some(options))?).await;
    let timeout = matches!(result, Err(ErrorCode::ConnectionReadTimeout | ErrorCode::HttpResponseTimeout));
    ensure!(timeout, "{:?}", result.err());
    Ok(())
}

async fn between_bytes_timeout(call: Call) -> Outcome {
    let options = RequestOptions::new();
    options.set_between_bytes_timeout(Some(PATIENCE_NANOSECONDS)).map_err(|error| format!("{error:?}"))?;
    let upstream = call.authority("upstream")?;
    let request = with_options(Fields::new(), &upstream, "/half", Some(options))?;
    let response = client::send(request).await.map_err(|code| format!("{code:?}"))?;
    let (_, ended) = read(response).await;
    ensure!(matches!(ended, Err(ErrorCode::ConnectionReadTimeout)), "{ended:?}");
    Ok(())
}

async fn received_status(call: Call) -> Outcome {
    for status in [200, 204, 302, 418, 599] {
        let response = get(&call, &format!("/status/{status}")).await?;
        ensure!(response.get_status_code() == status, "{status} became {}", response.get_status_code());
    }
    Ok(())
}

async fn received_headers(call: Call) -> Outcome {
    let response = get(&call, "/fields").await?;
    let headers = response.get_headers();
    ensure!(headers.get("x-twice") == [b"a", b"b"], "{:?}", headers.copy_all());
    ensure!(headers.get("X-Bytes") == [b"caf\xe9"], "{:?}", headers.copy_all());
    immutable(&headers, "x-twice")
}

async fn received_trailers(call: Call) -> Outcome {
    let (bytes, ended) = read(get(&call, "/trailers").await?).await;
    ensure!(bytes == b"hello", "{bytes:?}");
    match ended {
        Ok(Some(trailers)) if trailers.get("x-sum") == [b"7"] => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

async fn broken_body(call: Call) -> Outcome {
    let (_, ended) = read(get(&call, "/broken").await?).await;
    ensure!(ended.is_err(), "it ended like a whole one: {ended:?}");
    Ok(())
}
