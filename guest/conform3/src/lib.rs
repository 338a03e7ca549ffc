//! Checks what `wasi:http` 0.3 promises to a handler, one claim at a time: `/NAME` runs the check of this
//! name and answers `pass`, or `fail: ` and what was found; `/` lists the names.
//!
//! `/wire/NAME` is the guest's half of a check whose other half looks at the wire. Checks that send requests
//! are told where to: `?upstream=HOST:PORT`, `&closed=HOST:PORT` for a place where nobody listens.
//!
//! `tests/conformance` names the claim of every check.

mod bodies;
mod call;
mod fields;
mod messages;
mod sending;
mod wire;

use behaviours3::answer;
use behaviours3::wasip3::http::types::{ErrorCode, Request, Response};
use call::{Call, Check};

behaviours3::export!(handle);

const CHECKS: [&[Check]; 4] = [fields::CHECKS, messages::CHECKS, bodies::CHECKS, sending::CHECKS];

async fn handle(request: Request) -> Result<Response, ErrorCode> {
    let call = Call::new(request);
    let path = call.path();
    if let Some(name) = path.strip_prefix("/wire/") {
        return wire::run(name, call).await;
    }
    let checks = CHECKS.iter().copied().flatten();
    let name = path.strip_prefix('/').unwrap_or(&path);
    if name.is_empty() {
        return Ok(answer(200, checks.map(|(name, _)| format!("{name}\n")).collect::<String>()));
    }
    let Some((_, check)) = checks.clone().find(|(known, _)| *known == name) else {
        return Ok(answer(404, format!("no such check: {name}\n")));
    };
    Ok(match check(call).await {
        Ok(()) => answer(200, "pass\n"),
        Err(why) => answer(200, format!("fail: {why}\n")),
    })
}
