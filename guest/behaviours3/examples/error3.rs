//! Answers with an error code that carries text, with `?status=` sets that status, and with `?at=body`
//! ends its body with an error.
//!
//! Claim: an error is not a crash, its text stays here, and a body that ends with one is cut.

use behaviours3::prelude::*;

behaviours3::export!(handle);

async fn handle(request: Request) -> Result<Response, ErrorCode> {
    let query = query_of(&request);
    if query.has("status") {
        let status = u16::try_from(query.number("status", 200)).unwrap_or(u16::MAX);
        let (_, trailers) = wit_future::new(|| Ok(None));
        let (response, _) = Response::new(Fields::new(), None, trailers);
        return match response.set_status_code(status) {
            Ok(()) => Ok(response),
            Err(()) => Ok(answer(200, "no such status\n")),
        };
    }
    if query.get("at") != Some("body") {
        return Err(ErrorCode::InternalError(Some("a secret of the guest".to_owned())));
    }
    let (response, mut body, _) = open(200, &[("content-type", "text/plain")]);
    spawn_local(async move {
        body.write("half\n").await;
        // Dropped, it ends with an error.
        drop(body);
    });
    Ok(response)
}
