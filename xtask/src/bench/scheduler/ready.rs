//! How many instances the host says are live.

use serde_json::Value;

/// The request that it is asked with.
pub(in crate::bench) const READY: &[u8] = b"GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// The number of live instances in a response; none where it has none.
pub(in crate::bench) fn live_in(response: &[u8]) -> Option<usize> {
    let body_at = response.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let body: Value = serde_json::from_slice(&response[body_at..]).ok()?;
    body["instances"]["live"].as_u64()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn live_instances_are_read_from_the_body() {
        let response =
            |body: &str| format!("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{body}").into_bytes();
        let body = r#"{"status":"ready","instances":{"live":12,"max":1000}}"#;
        assert_eq!(live_in(&response(body)), Some(12));
        assert_eq!(live_in(&response(r#"{"status":"ready"}"#)), None);
        assert_eq!(live_in(b"HTTP/1.1 200 OK\r\n"), None);
    }
}
