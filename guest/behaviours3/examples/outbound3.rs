//! Fetches `?url=http://host:port/path` and answers `status N` and the body, or `error CODE` and what
//! became of the request: `sent` or `not sent`. With `&connect_ms=`, `&first_byte_ms=` and `&between_ms=`
//! it sets the timeouts of the request, with `&path=none` it sets no path, and with `&pass` it answers with
//! the response as it came.
//!
//! Claim: a handler reaches what it was granted and nothing else, and a slow or broken server costs
//! it an error, not the host.

use behaviours3::prelude::*;
use behaviours3::wasip3::http::client;
use behaviours3::wasip3::http::types::{RequestOptions, Scheme};

behaviours3::export!(handle);

async fn handle(request: Request) -> Result<Response, ErrorCode> {
    let query = query_of(&request);
    let (_, trailers) = wit_future::new(|| Ok(None));
    let (outgoing, sent) = Request::new(Fields::new(), None, trailers, Some(options(&query)));
    if let Err(what) = address(&outgoing, query.get("url").unwrap_or_default()) {
        return Ok(answer(200, format!("error url: the host refuses its {what}\n")));
    }
    if query.get("path") == Some("none") {
        outgoing.set_path_with_query(None).expect("path: none is allowed");
    }
    match client::send(outgoing).await {
        Ok(response) if query.has("pass") => Ok(response),
        Ok(response) => Ok(fetched(response)),
        Err(error) => {
            let sent = if sent.await.is_ok() { "sent" } else { "not sent" };
            Ok(answer(200, format!("error {error:?}\n{sent}\n")))
        }
    }
}

/// Addresses `request` to `url`; an error is the part that the host refuses.
fn address(request: &Request, url: &str) -> Result<(), &'static str> {
    let (scheme, rest) = url.split_once("://").ok_or("scheme")?;
    let (authority, path) = match rest.find('/') {
        Some(start) => rest.split_at(start),
        None => (rest, "/"),
    };
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => Scheme::Other(other.to_owned()),
    };
    request.set_scheme(Some(&scheme)).map_err(|()| "scheme")?;
    request.set_authority(Some(authority)).map_err(|()| "authority")?;
    request.set_path_with_query(Some(path)).map_err(|()| "path")
}

fn options(query: &Query) -> RequestOptions {
    let nanoseconds = |name| {
        let ms = query.has(name).then(|| query.number(name, 0))?;
        Some(ms.saturating_mul(1_000_000))
    };
    let options = RequestOptions::new();
    let set = [
        options.set_connect_timeout(nanoseconds("connect_ms")),
        options.set_first_byte_timeout(nanoseconds("first_byte_ms")),
        options.set_between_bytes_timeout(nanoseconds("between_ms")),
    ];
    assert!(set.iter().all(Result::is_ok), "options: the host supports all three");
    options
}

/// Streams what was fetched. An error that comes late is the last line.
fn fetched(response: Response) -> Response {
    let (answer, mut body, _) = open(200, &[("content-type", "text/plain")]);
    let status = format!("status {}\n", response.get_status_code());
    let (_, taken) = wit_future::new(|| Ok(()));
    let (incoming, trailers) = Response::consume_body(response, taken);
    spawn_local(async move {
        let fetched = incoming.collect().await;
        if body.write(status).await && body.write(fetched).await {
            if let Err(error) = trailers.await {
                body.write(format!("\nerror {error:?}\n")).await;
            }
            body.finish(None).await;
        }
    });
    answer
}
