//! Answers with an error code instead of a response.
//!
//! Claim: a guest's own error is told apart from its crash, and its text does not reach the client.

use behaviours::prelude::*;
use behaviours::wasip2::http::types::ErrorCode;

behaviours::export!(handle);

fn handle(_request: IncomingRequest, out: ResponseOutparam) {
    let text = "for the log and not for the client".to_owned();
    ResponseOutparam::set(out, Err(ErrorCode::InternalError(Some(text))));
}
