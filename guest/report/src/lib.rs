//! Reads its path, its headers and the whole body, and answers what they were as JSON:
//! `{"bytes":5,"checksum":"a430d84680aabd0b","headers":3,"path":"/x"}`.
//!
//! Claim: what most handlers do with a request is as fast as can be.

use behaviours::body::BodyReader;
use behaviours::prelude::*;
use serde_json::json;

behaviours::export!(handle);

/// FNV-1a of 64 bits: what it begins with, and what it multiplies by.
const FNV_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let path = request.path_with_query().unwrap_or_else(|| "/".to_owned());
    let headers = request.headers().entries().len();
    let body = request.consume().expect("body: a request has one body");
    let mut bytes = 0_usize;
    let mut checksum = FNV_BASIS;
    for chunk in BodyReader::new(body) {
        // To return is to answer nothing: the client broke off, and the host says so.
        let Ok(chunk) = chunk else { return };
        bytes += chunk.len();
        checksum = chunk.iter().fold(checksum, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(FNV_PRIME));
    }
    let checksum = format!("{checksum:016x}");
    let text = json!({ "bytes": bytes, "checksum": checksum, "headers": headers, "path": path }).to_string();
    let length = text.len().to_string();
    let mut response = open(out, 200, &[("content-type", "application/json"), ("content-length", &length)]);
    if response.write(text.as_bytes()) {
        response.finish(None);
    }
}
