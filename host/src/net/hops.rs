//! Header fields that are about one connection and not about the request or response on it (RFC 9110
//! §7.6.1): they are nobody's business beyond.

use http::HeaderMap;
use http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderName, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE,
    TRANSFER_ENCODING, UPGRADE,
};

/// Hop by hop whether `Connection` names them or not.
const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("http2-settings"),
];
/// What `Connection` must not name (RFC 9110 §7.6.1), and who names it all the same means no good: without
/// them a request would be for another host, or of another length.
const END_TO_END: [HeaderName; 2] = [CONTENT_LENGTH, HOST];

/// Removes what ends at this hop.
pub(super) fn strip(headers: &mut HeaderMap) {
    // Most heads have nothing of it: to see that costs less than to look each name up.
    if !headers.keys().any(|name| HOP_BY_HOP.contains(name)) {
        return;
    }
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP).filter(|name| !END_TO_END.contains(name)) {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(fields: &[(&'static str, &'static str)]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().expect("a value"));
        }
        strip(&mut headers);
        headers.keys().map(ToString::to_string).collect()
    }

    #[test]
    fn what_connection_names_goes_with_it() {
        let fields = [
            ("connection", "close, X-One"),
            ("connection", "x-two ,, no name,"),
            ("x-one", "1"),
            ("x-two", "1"),
            ("x-two", "2"),
            ("x-three", "1"),
        ];
        assert_eq!(left(&fields), ["x-three"]);
    }

    #[test]
    fn what_is_hop_by_hop_goes_without_being_named() {
        for name in HOP_BY_HOP {
            let mut headers = HeaderMap::new();
            headers.insert(name.clone(), "trailers".parse().expect("a value"));
            strip(&mut headers);
            assert!(headers.is_empty(), "{name}");
        }
    }

    #[test]
    fn host_and_length_stay_whatever_connection_names() {
        let fields = [("connection", "host, content-length"), ("host", "a.example"), ("content-length", "1")];
        let mut left = left(&fields);
        left.sort();
        assert_eq!(left, ["content-length", "host"]);
    }
}
