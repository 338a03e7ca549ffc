//! Answers with the status `?code=`, 200 by default; where the host refuses it, with 200 and
//! `refused CODE`.
//!
//! Claim: every status a handler may send passes through, with a body only where there may be one,
//! and no other does.

use behaviours::prelude::*;

behaviours::export!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let code = query_of(&request).number("code", 200);
    let status = u16::try_from(code).unwrap_or(u16::MAX);
    let response = OutgoingResponse::new(Fields::new());
    if response.set_status_code(status).is_err() {
        return answer(out, 200, &format!("refused {code}\n"));
    }
    // These end with their head (RFC 9110 §6.4.1).
    if matches!(status, 100..=199 | 204 | 304) {
        return ResponseOutparam::set(out, Ok(response));
    }
    answer(out, status, &format!("status {code}\n"));
}
