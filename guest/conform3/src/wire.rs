//! Halves of checks: what is done here is looked at on the wire.

use behaviours3::wasip3::http::types::{ErrorCode, Fields, Request, Response};
use behaviours3::wasip3::wit_bindgen::spawn_local;
use behaviours3::wasip3::wit_future;
use behaviours3::{answer, open};

use crate::call::Call;

pub(crate) async fn run(name: &str, call: Call) -> Result<Response, ErrorCode> {
    match name {
        "trailers" => Ok(received_trailers(call).await),
        "error" => Err(ErrorCode::ConfigurationError),
        "transmission" => Ok(transmission()),
        "trailers-error" => Ok(trailers_error()),
        "without-body" => {
            let (_, trailers) = wit_future::new(|| Ok(None));
            Ok(Response::new(Fields::new(), None, trailers).0)
        }
        _ => Ok(answer(404, "no such half\n")),
    }
}

/// Tells the trailers of the request.
async fn received_trailers(call: Call) -> Response {
    let (_, taken) = wit_future::new(|| Ok(()));
    let (body, trailers) = Request::consume_body(call.request, taken);
    drop(body.collect().await);
    let text = match trailers.await {
        Ok(Some(trailers)) => format!("{:?}\n", trailers.get("x-sum")),
        other => format!("{other:?}\n"),
    };
    answer(200, text)
}

/// Answers, and says in the log what became of it.
fn transmission() -> Response {
    let (response, mut body, sent) = open(200, &[]);
    spawn_local(async move {
        body.write("answered\n").await;
        body.finish(None).await;
        println!("transmission: {:?}", sent.await);
    });
    response
}

/// Ends its body with an error in the place of trailers.
fn trailers_error() -> Response {
    let (response, mut body, _) = open(200, &[]);
    spawn_local(async move {
        body.write("half of it").await;
        // Dropped without an end, the trailers are an error.
        drop(body);
    });
    response
}
