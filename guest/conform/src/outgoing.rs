//! `outgoing-request` and `request-options` before they are sent.

use behaviours::wasip2::http::types::{Fields, Method, OutgoingRequest, RequestOptions, Scheme};

use crate::Check;
use crate::call::{Call, Outcome};
use crate::ensure;
use crate::fields::immutable;

pub(crate) const CHECKS: &[Check] = &[
    ("outgoing-request-has-its-defaults", has_its_defaults),
    ("outgoing-request-body-is-taken-once", body_is_taken_once),
    ("outgoing-request-keeps-its-method", keeps_its_method),
    ("outgoing-request-refuses-a-bad-method", refuses_a_bad_method),
    ("outgoing-request-keeps-its-path", keeps_its_path),
    ("outgoing-request-refuses-a-bad-path", refuses_a_bad_path),
    ("outgoing-request-keeps-its-scheme", keeps_its_scheme),
    ("outgoing-request-refuses-a-bad-scheme", refuses_a_bad_scheme),
    ("outgoing-request-keeps-its-authority", keeps_its_authority),
    ("outgoing-request-refuses-a-bad-authority", refuses_a_bad_authority),
    ("outgoing-request-headers-are-immutable", headers_are_immutable),
    ("request-options-are-unset-at-first", options_are_unset_at_first),
    ("request-options-keep-their-values", options_keep_their_values),
];

fn new() -> OutgoingRequest {
    OutgoingRequest::new(Fields::new())
}

fn has_its_defaults(_: &Call) -> Outcome {
    let request = new();
    ensure!(matches!(request.method(), Method::Get), "method: {:?}", request.method());
    ensure!(request.path_with_query().is_none(), "path: {:?}", request.path_with_query());
    ensure!(request.scheme().is_none(), "scheme: {:?}", request.scheme());
    ensure!(request.authority().is_none(), "authority: {:?}", request.authority());
    Ok(())
}

fn body_is_taken_once(_: &Call) -> Outcome {
    let request = new();
    let first = request.body();
    ensure!(first.is_ok(), "the first call: an error");
    ensure!(request.body().is_err(), "the second call: success");
    Ok(())
}

fn keeps_its_method(_: &Call) -> Outcome {
    use Method::{Connect, Delete, Get, Head, Options, Other, Patch, Post, Put, Trace};
    let request = new();
    for method in [Get, Head, Post, Put, Delete, Connect, Options, Trace, Patch, Other("PROPFIND".to_owned())]
    {
        ensure!(request.set_method(&method).is_ok(), "{method:?} is refused");
        let kept = request.method();
        ensure!(format!("{kept:?}") == format!("{method:?}"), "{method:?} became {kept:?}");
    }
    Ok(())
}

fn refuses_a_bad_method(_: &Call) -> Outcome {
    let request = new();
    for name in ["", "A B", "GET\r\n", "G\0T", "GET/", "é"] {
        ensure!(request.set_method(&Method::Other(name.to_owned())).is_err(), "{name:?} is accepted");
    }
    ensure!(matches!(request.method(), Method::Get), "{:?}", request.method());
    Ok(())
}

fn keeps_its_path(_: &Call) -> Outcome {
    let request = new();
    for path in ["/", "/a/b?c=d&e", "/?", "/%20", "/a;b=c"] {
        ensure!(request.set_path_with_query(Some(path)).is_ok(), "{path:?} is refused");
        let kept = request.path_with_query();
        ensure!(kept.as_deref() == Some(path), "{path:?} became {kept:?}");
    }
    ensure!(request.set_path_with_query(None).is_ok(), "none is refused");
    ensure!(request.path_with_query().is_none(), "{:?}", request.path_with_query());
    Ok(())
}

fn refuses_a_bad_path(_: &Call) -> Outcome {
    let request = new();
    for path in ["/a b", "/\r\nx: y", "/\0", "/a\n"] {
        ensure!(request.set_path_with_query(Some(path)).is_err(), "{path:?} is accepted");
    }
    Ok(())
}

fn keeps_its_scheme(_: &Call) -> Outcome {
    let request = new();
    for scheme in [Scheme::Http, Scheme::Https, Scheme::Other("ws".to_owned())] {
        ensure!(request.set_scheme(Some(&scheme)).is_ok(), "{scheme:?} is refused");
        let kept = request.scheme();
        ensure!(format!("{kept:?}") == format!("Some({scheme:?})"), "{scheme:?} became {kept:?}");
    }
    ensure!(request.set_scheme(None).is_ok(), "none is refused");
    ensure!(request.scheme().is_none(), "{:?}", request.scheme());
    Ok(())
}

fn refuses_a_bad_scheme(_: &Call) -> Outcome {
    let request = new();
    for scheme in ["", "a b", "a\r\n", "ht/tp", "é"] {
        let given = Scheme::Other(scheme.to_owned());
        ensure!(request.set_scheme(Some(&given)).is_err(), "{scheme:?} is accepted");
    }
    Ok(())
}

fn keeps_its_authority(_: &Call) -> Outcome {
    let request = new();
    for authority in ["example.com", "example.com:8080", "[::1]:80", "192.0.2.1"] {
        ensure!(request.set_authority(Some(authority)).is_ok(), "{authority:?} is refused");
        let kept = request.authority();
        ensure!(kept.as_deref() == Some(authority), "{authority:?} became {kept:?}");
    }
    ensure!(request.set_authority(None).is_ok(), "none is refused");
    ensure!(request.authority().is_none(), "{:?}", request.authority());
    Ok(())
}

fn refuses_a_bad_authority(_: &Call) -> Outcome {
    let request = new();
    for authority in ["", "a b", "a/b", "a\r\nb", "[::1", "a:b:c"] {
        ensure!(request.set_authority(Some(authority)).is_err(), "{authority:?} is accepted");
    }
    Ok(())
}

fn headers_are_immutable(_: &Call) -> Outcome {
    let fields = Fields::new();
    fields.append("x-a", b"1").map_err(|error| format!("{error:?}"))?;
    let request = OutgoingRequest::new(fields);
    let headers = request.headers();
    ensure!(headers.get("x-a") == [b"1"], "{:?}", headers.entries());
    immutable(&headers, "x-a")
}

fn options_are_unset_at_first(_: &Call) -> Outcome {
    let options = RequestOptions::new();
    let found = [options.connect_timeout(), options.first_byte_timeout(), options.between_bytes_timeout()];
    ensure!(found == [None; 3], "{found:?}");
    Ok(())
}

fn options_keep_their_values(_: &Call) -> Outcome {
    let options = RequestOptions::new();
    for value in [Some(1), Some(u64::MAX), None] {
        let set = [
            options.set_connect_timeout(value),
            options.set_first_byte_timeout(value.map(|value| value - 1)),
            options.set_between_bytes_timeout(value),
        ];
        ensure!(set == [Ok(()); 3], "{value:?}: {set:?}");
        let kept = (options.connect_timeout(), options.first_byte_timeout(), options.between_bytes_timeout());
        ensure!(kept == (value, value.map(|value| value - 1), value), "{value:?} became {kept:?}");
    }
    Ok(())
}
