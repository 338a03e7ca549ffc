//! Checks what `wasi:http` 0.2 promises to a handler, one claim at a time: `/NAME` runs the check of this
//! name and answers `pass`, or `fail: ` and what was found; `/` lists the names.
//!
//! `/trap/NAME` does what the interface says traps; an answer, `survived`, says that it did not.
//! `/wire/NAME` is the guest's half of a check whose other half looks at the wire. Checks that send requests
//! are told where to: `?upstream=HOST:PORT`, `&closed=HOST:PORT` for a place where nobody listens.
//!
//! `tests/conformance` names the claim of every check.

mod bodies;
mod call;
mod fields;
mod incoming;
mod outgoing;
mod response;
mod sending;
mod streams;
mod traps;
mod wire;

use behaviours::answer;
use behaviours::wasip2::http::types::{IncomingRequest, ResponseOutparam};
use call::{Call, Outcome};

behaviours::export!(handle);

/// A check by its name.
type Check = (&'static str, fn(&Call) -> Outcome);

const CHECKS: [&[Check]; 7] = [
    fields::CHECKS,
    incoming::CHECKS,
    outgoing::CHECKS,
    sending::CHECKS,
    response::CHECKS,
    bodies::CHECKS,
    streams::CHECKS,
];

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let call = Call::new(request);
    let path = call.path();
    if let Some(name) = path.strip_prefix("/wire/") {
        return wire::run(name, call, out);
    }
    let (status, text) = if path == "/" {
        (200, list())
    } else if let Some(name) = path.strip_prefix("/trap/") {
        match traps::run(name, &call) {
            Some(()) => (200, "survived\n".to_owned()),
            None => (404, format!("no such trap: {name}\n")),
        }
    } else {
        let name = path.strip_prefix('/').unwrap_or(&path);
        let checks = CHECKS.iter().copied().flatten();
        match checks.clone().find(|(known, _)| *known == name) {
            Some((_, check)) => match check(&call) {
                Ok(()) => (200, "pass\n".to_owned()),
                Err(why) => (200, format!("fail: {why}\n")),
            },
            None => (404, format!("no such check: {name}\n")),
        }
    };
    drop(call);
    answer(out, status, &text);
}

/// Every name, a line each, as a path without its first slash.
fn list() -> String {
    let checks = CHECKS.iter().copied().flatten().map(|(name, _)| (*name).to_owned());
    let traps = traps::NAMES.iter().map(|name| format!("trap/{name}"));
    checks.chain(traps).map(|name| name + "\n").collect()
}
