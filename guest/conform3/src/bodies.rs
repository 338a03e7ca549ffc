//! Bodies of requests that came in: what `consume-body` gives.

use behaviours3::wasip3::http::types::Request;
use behaviours3::wasip3::wit_future;

use crate::call::{Call, Check, Outcome};
use crate::ensure;

pub(crate) const CHECKS: &[Check] = &[
    ("body-of-the-request-is-its-contents", |call| Box::pin(of_the_request(call))),
    ("body-without-trailers-has-none", |call| Box::pin(without_trailers(call))),
    ("body-taken-leaves-headers-valid", |call| Box::pin(leaves_headers_valid(call))),
];

async fn of_the_request(call: Call) -> Outcome {
    let (_, taken) = wit_future::new(|| Ok(()));
    let (body, trailers) = Request::consume_body(call.request, taken);
    let bytes = body.collect().await;
    ensure!(bytes == b"0123456789", "{:?}", String::from_utf8_lossy(&bytes));
    let ended = trailers.await;
    ensure!(ended.is_ok(), "{ended:?}");
    Ok(())
}

async fn without_trailers(call: Call) -> Outcome {
    let (_, taken) = wit_future::new(|| Ok(()));
    let (body, trailers) = Request::consume_body(call.request, taken);
    drop(body.collect().await);
    match trailers.await {
        Ok(None) => Ok(()),
        Ok(Some(fields)) if fields.copy_all().is_empty() => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

async fn leaves_headers_valid(call: Call) -> Outcome {
    let headers = call.request.get_headers();
    let before = headers.copy_all();
    ensure!(!before.is_empty(), "there are none");
    let (_, taken) = wit_future::new(|| Ok(()));
    let (body, trailers) = Request::consume_body(call.request, taken);
    ensure!(headers.copy_all() == before, "{:?}", headers.copy_all());
    drop((body, trailers));
    ensure!(headers.copy_all() == before, "after the body: {:?}", headers.copy_all());
    Ok(())
}
