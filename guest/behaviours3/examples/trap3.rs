//! Traps: at once, in the middle of its body with `?at=body`, or after its whole answer with `?at=end`.
//!
//! Claim: a trap is an answer of the host's, a cut, or nobody's concern, by when it comes.

use behaviours3::prelude::*;

behaviours3::export!(handle);

async fn handle(request: Request) -> Result<Response, ErrorCode> {
    let query = query_of(&request);
    let at = query.get("at").unwrap_or_default().to_owned();
    if at.is_empty() {
        trap();
    }
    let (response, mut body, _) = open(200, &[("content-type", "text/plain")]);
    spawn_local(async move {
        body.write("done\n").await;
        if at == "end" {
            body.finish(None).await;
        }
        trap();
    });
    Ok(response)
}

fn trap() -> ! {
    core::arch::wasm32::unreachable()
}
