//! `request`, `request-options` and `response`: what is in them at first, what they keep and what they
//! refuse.

use behaviours3::wasip3::http::types::{
    Fields, Method, Request, RequestOptions, RequestOptionsError, Response, Scheme,
};
use behaviours3::wasip3::wit_future;

use crate::call::{Call, Check, Outcome};
use crate::ensure;
use crate::fields::immutable;

pub(crate) const CHECKS: &[Check] = &[
    ("request-has-its-defaults", |call| Box::pin(async move { has_its_defaults(&call) })),
    ("request-keeps-its-method", |call| Box::pin(async move { keeps_its_method(&call) })),
    ("request-refuses-a-bad-method", |call| Box::pin(async move { refuses_a_bad_method(&call) })),
    ("request-keeps-its-path", |call| Box::pin(async move { keeps_its_path(&call) })),
    ("request-refuses-a-bad-path", |call| Box::pin(async move { refuses_a_bad_path(&call) })),
    ("request-keeps-its-scheme", |call| Box::pin(async move { keeps_its_scheme(&call) })),
    ("request-refuses-a-bad-scheme", |call| Box::pin(async move { refuses_a_bad_scheme(&call) })),
    ("request-keeps-its-authority", |call| Box::pin(async move { keeps_its_authority(&call) })),
    ("request-refuses-a-bad-authority", |call| Box::pin(async move { refuses_a_bad_authority(&call) })),
    ("request-headers-are-immutable", |call| Box::pin(async move { headers_are_immutable(&call) })),
    ("request-options-of-a-request-are-immutable", |call| {
        Box::pin(async move { options_of_a_request_are_immutable(&call) })
    }),
    ("request-that-came-in-has-immutable-headers", |call| Box::pin(async move { came_in(&call) })),
    ("request-options-are-unset-at-first", |call| Box::pin(async move { options_are_unset(&call) })),
    ("request-options-keep-their-values", |call| Box::pin(async move { options_keep(&call) })),
    ("request-options-cloned-are-mutable", |call| Box::pin(async move { options_cloned(&call) })),
    ("response-has-status-200-at-first", |call| Box::pin(async move { status_at_first(&call) })),
    ("response-keeps-its-status", |call| Box::pin(async move { keeps_its_status(&call) })),
    ("response-refuses-a-bad-status", |call| Box::pin(async move { refuses_a_bad_status(&call) })),
    ("response-headers-are-immutable", |call| Box::pin(async move { response_headers(&call) })),
];

fn request(options: Option<RequestOptions>) -> Request {
    let (_, trailers) = wit_future::new(|| Ok(None));
    Request::new(Fields::new(), None, trailers, options).0
}

fn response() -> Response {
    let (_, trailers) = wit_future::new(|| Ok(None));
    Response::new(Fields::new(), None, trailers).0
}

fn has_its_defaults(_: &Call) -> Outcome {
    let request = request(None);
    ensure!(matches!(request.get_method(), Method::Get), "method: {:?}", request.get_method());
    ensure!(request.get_path_with_query().is_none(), "path: {:?}", request.get_path_with_query());
    ensure!(request.get_scheme().is_none(), "scheme: {:?}", request.get_scheme());
    ensure!(request.get_authority().is_none(), "authority: {:?}", request.get_authority());
    ensure!(request.get_options().is_none(), "options: some");
    Ok(())
}

fn keeps_its_method(_: &Call) -> Outcome {
    use Method::{Connect, Delete, Get, Head, Options, Other, Patch, Post, Put, Trace};
    let request = request(None);
    for method in [Get, Head, Post, Put, Delete, Connect, Options, Trace, Patch, Other("PROPFIND".to_owned())]
    {
        ensure!(request.set_method(&method).is_ok(), "{method:?} is refused");
        let kept = request.get_method();
        ensure!(format!("{kept:?}") == format!("{method:?}"), "{method:?} became {kept:?}");
    }
    Ok(())
}

fn refuses_a_bad_method(_: &Call) -> Outcome {
    let request = request(None);
    for name in ["", "A B", "GET\r\n", "G\0T", "GET/", "é"] {
        ensure!(request.set_method(&Method::Other(name.to_owned())).is_err(), "{name:?} is accepted");
    }
    Ok(())
}

fn keeps_its_path(_: &Call) -> Outcome {
    let request = request(None);
    for path in ["/", "/a/b?c=d&e", "/?", "/%20", "/a;b=c"] {
        ensure!(request.set_path_with_query(Some(path)).is_ok(), "{path:?} is refused");
        let kept = request.get_path_with_query();
        ensure!(kept.as_deref() == Some(path), "{path:?} became {kept:?}");
    }
    ensure!(request.set_path_with_query(None).is_ok(), "none is refused");
    ensure!(request.get_path_with_query().is_none(), "{:?}", request.get_path_with_query());
    Ok(())
}

fn refuses_a_bad_path(_: &Call) -> Outcome {
    let request = request(None);
    for path in ["/a b", "/\r\nx: y", "/\0", "/a\n"] {
        ensure!(request.set_path_with_query(Some(path)).is_err(), "{path:?} is accepted");
    }
    Ok(())
}

fn keeps_its_scheme(_: &Call) -> Outcome {
    let request = request(None);
    for scheme in [Scheme::Http, Scheme::Https, Scheme::Other("ws".to_owned())] {
        ensure!(request.set_scheme(Some(&scheme)).is_ok(), "{scheme:?} is refused");
        let kept = request.get_scheme();
        ensure!(format!("{kept:?}") == format!("Some({scheme:?})"), "{scheme:?} became {kept:?}");
    }
    ensure!(request.set_scheme(None).is_ok(), "none is refused");
    ensure!(request.get_scheme().is_none(), "{:?}", request.get_scheme());
    Ok(())
}

fn refuses_a_bad_scheme(_: &Call) -> Outcome {
    let request = request(None);
    for scheme in ["", "a b", "a\r\n", "ht/tp", "é"] {
        let given = Scheme::Other(scheme.to_owned());
        ensure!(request.set_scheme(Some(&given)).is_err(), "{scheme:?} is accepted");
    }
    Ok(())
}

fn keeps_its_authority(_: &Call) -> Outcome {
    let request = request(None);
    for authority in ["example.com", "example.com:8080", "[::1]:80", "192.0.2.1"] {
        ensure!(request.set_authority(Some(authority)).is_ok(), "{authority:?} is refused");
        let kept = request.get_authority();
        ensure!(kept.as_deref() == Some(authority), "{authority:?} became {kept:?}");
    }
    ensure!(request.set_authority(None).is_ok(), "none is refused");
    ensure!(request.get_authority().is_none(), "{:?}", request.get_authority());
    Ok(())
}

fn refuses_a_bad_authority(_: &Call) -> Outcome {
    let request = request(None);
    for authority in ["", "a b", "a/b", "a\r\nb", "[::1", "a:b:c"] {
        ensure!(request.set_authority(Some(authority)).is_err(), "{authority:?} is accepted");
    }
    Ok(())
}

fn headers_are_immutable(_: &Call) -> Outcome {
    immutable(&request(None).get_headers(), "x-a")
}

fn options_of_a_request_are_immutable(_: &Call) -> Outcome {
    let options = RequestOptions::new();
    options.set_connect_timeout(Some(7)).map_err(|error| format!("{error:?}"))?;
    let request = request(Some(options));
    let kept = request.get_options().ok_or("there are none")?;
    ensure!(kept.get_connect_timeout() == Some(7), "{:?}", kept.get_connect_timeout());
    let results = [
        ("connect", kept.set_connect_timeout(None)),
        ("first-byte", kept.set_first_byte_timeout(None)),
        ("between-bytes", kept.set_between_bytes_timeout(None)),
    ];
    for (what, result) in results {
        ensure!(matches!(result, Err(RequestOptionsError::Immutable)), "{what}: {result:?}");
    }
    Ok(())
}

fn came_in(call: &Call) -> Outcome {
    immutable(&call.request.get_headers(), "x-a")
}

fn options_are_unset(_: &Call) -> Outcome {
    let options = RequestOptions::new();
    let found = [
        options.get_connect_timeout(),
        options.get_first_byte_timeout(),
        options.get_between_bytes_timeout(),
    ];
    ensure!(found == [None; 3], "{found:?}");
    Ok(())
}

fn keep(options: &RequestOptions, value: Option<u64>) -> Outcome {
    let set = [
        options.set_connect_timeout(value),
        options.set_first_byte_timeout(value),
        options.set_between_bytes_timeout(value),
    ];
    ensure!(set.iter().all(Result::is_ok), "{value:?}: {set:?}");
    let kept = [
        options.get_connect_timeout(),
        options.get_first_byte_timeout(),
        options.get_between_bytes_timeout(),
    ];
    ensure!(kept == [value; 3], "{value:?} became {kept:?}");
    Ok(())
}

fn options_keep(_: &Call) -> Outcome {
    let options = RequestOptions::new();
    [Some(1), Some(u64::MAX), None].into_iter().try_for_each(|value| keep(&options, value))
}

fn options_cloned(_: &Call) -> Outcome {
    let options = RequestOptions::new();
    keep(&options, Some(7))?;
    let request = request(Some(options));
    let kept = request.get_options().ok_or("there are none")?;
    let copy = kept.clone();
    ensure!(copy.get_connect_timeout() == Some(7), "{:?}", copy.get_connect_timeout());
    keep(&copy, Some(8))?;
    ensure!(kept.get_connect_timeout() == Some(7), "the copied: {:?}", kept.get_connect_timeout());
    Ok(())
}

fn status_at_first(_: &Call) -> Outcome {
    let status = response().get_status_code();
    ensure!(status == 200, "{status}");
    Ok(())
}

fn keeps_its_status(_: &Call) -> Outcome {
    let response = response();
    for status in [100, 204, 404, 599] {
        ensure!(response.set_status_code(status).is_ok(), "{status} is refused");
        ensure!(response.get_status_code() == status, "{status} became {}", response.get_status_code());
    }
    Ok(())
}

fn refuses_a_bad_status(_: &Call) -> Outcome {
    let response = response();
    for status in [0, 99, 1000, u16::MAX] {
        ensure!(response.set_status_code(status).is_err(), "{status} is accepted");
    }
    ensure!(response.get_status_code() == 200, "it became {}", response.get_status_code());
    Ok(())
}

fn response_headers(_: &Call) -> Outcome {
    immutable(&response().get_headers(), "x-a")
}
