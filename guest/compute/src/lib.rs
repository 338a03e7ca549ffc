//! Works for a few milliseconds, always the same for a path: `/hash`, `/sort`, `/json` and `/resize`. It
//! answers with a line that only who has done the work can write; every other path is answered at once.
//!
//! Claim: guests compute as fast as their compiler lets them.

mod hash;
mod json;
mod numbers;
mod resize;
mod sort;

use behaviours::prelude::*;

behaviours::export!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let target = request.path_with_query().unwrap_or_default();
    let text = match target.split('?').next().unwrap_or_default() {
        "/hash" => hash::work(),
        "/sort" => sort::work(),
        "/json" => json::work(),
        "/resize" => resize::work(),
        _ => "hash, sort, json or resize\n".to_owned(),
    };
    answer(out, 200, &text);
}
