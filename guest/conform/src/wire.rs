//! Halves of checks: what is done here is looked at on the wire.

use behaviours::wasip2::http::outgoing_handler;
use behaviours::wasip2::http::types::{
    ErrorCode, Fields, HeaderError, Method, OutgoingBody, OutgoingRequest, OutgoingResponse,
    ResponseOutparam, Scheme,
};
use behaviours::{OpenResponse, answer, open};

use crate::call::Call;

pub(crate) fn run(name: &str, call: Call, out: ResponseOutparam) {
    match name {
        "fields" => fields(out),
        "trailers" => received_trailers(call, out),
        "error" => ResponseOutparam::set(out, Err(ErrorCode::ConfigurationError)),
        "after" => after(out),
        "unfinished" => drop(OpenResponse::send(out, OutgoingResponse::new(Fields::new()))),
        "unfinished-request" => unfinished_request(&call, out),
        "without-body" => ResponseOutparam::set(out, Ok(OutgoingResponse::new(Fields::new()))),
        _ => answer(out, 404, "no such half\n"),
    }
}

/// Sends fields in an order that is not that of their names.
fn fields(out: ResponseOutparam) {
    let headers = [("x-c", "1"), ("x-a", "2"), ("x-b", "3"), ("x-b", "4"), ("x-d", "")];
    open(out, 200, &headers).finish(None);
}

/// Tells the trailers of the request, and whether they can be changed.
fn received_trailers(call: Call, out: ResponseOutparam) {
    let body = call.request.consume().expect("body: the first");
    let mut reader = behaviours::body::BodyReader::new(body);
    while let Some(Ok(_)) = reader.next() {}
    let text = match reader.trailers() {
        Ok(Some(trailers)) => {
            let immutable = matches!(trailers.append("x-a", b"1"), Err(HeaderError::Immutable));
            format!("{:?} immutable {immutable}\n", trailers.get("x-sum"))
        }
        other => format!("{other:?}\n"),
    };
    answer(out, 200, &text);
}

/// Answers, and says in the log what it does afterwards.
fn after(out: ResponseOutparam) {
    let mut response = open(out, 200, &[]);
    if response.write(b"answered\n") {
        response.finish(None);
    }
    println!("still at work");
}

/// Begins a request body to the server at hand, and drops it.
fn unfinished_request(call: &Call, out: ResponseOutparam) {
    let request = OutgoingRequest::new(Fields::new());
    let upstream = call.query.get("upstream").unwrap_or_default();
    request.set_method(&Method::Post).expect("method: a valid one");
    request.set_scheme(Some(&Scheme::Http)).expect("scheme: a valid one");
    request.set_authority(Some(upstream)).expect("authority: a valid one");
    request.set_path_with_query(Some("/unfinished")).expect("path: a valid one");
    let body: OutgoingBody = request.body().expect("body: the first");
    let future = outgoing_handler::handle(request, None);
    let stream = body.write().expect("stream: the first");
    let written = stream.blocking_write_and_flush(b"half of it");
    drop(stream);
    drop(body);
    let told = future.map(|future| {
        future.subscribe().block();
        future.get().map(|ready| ready.map(|response| response.map(|response| response.status())))
    });
    answer(out, 200, &format!("{} {told:?}\n", written.is_ok()));
}
