//! `/admin/handlers/NAME/logs`: the last log lines of a handler, and those that come, for as long as somebody
//! reads them.

use super::refusal::Refusal;
use super::{AdminBody, whole};
use crate::config::HandlerName;
use crate::net::service::Host;
use crate::outcome::Reason;
use crate::telemetry::LogLine;
use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame};
use http_body_util::Either;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc::Receiver;

/// Lines that one answer begins with, unless `lines` asks for another number.
const LINES_USUAL: usize = 100;
const LINES_MAX: usize = 500;
pub(super) const TEXT: &str = "text/plain; charset=utf-8";

/// The lines of a handler.
pub(super) fn answer(
    host: &Host,
    name: &HandlerName,
    query: Option<&str>,
) -> Result<Response<AdminBody>, Refusal> {
    let mut count = LINES_USUAL;
    let mut follow = false;
    for (key, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        match (&*key, &*value) {
            ("lines", number) => {
                count = number.parse().ok().filter(|count| *count <= LINES_MAX).ok_or(Reason::BadRequest)?;
            }
            ("follow", "true") => follow = true,
            ("follow", "false") => follow = false,
            (_, _) => return Err(Reason::BadRequest.into()),
        }
    }
    if !follow {
        let lines = host.recent.lines(&name.shared(), count);
        let text: String = lines.iter().flat_map(|line| [&**line, "\n"]).collect();
        return Ok(whole(TEXT, text).map(Either::Left));
    }
    let (last, next) = host.recent.follow(&name.shared(), count).ok_or(Reason::TooManyStreams)?;
    let following = Following { last: last.into(), next };
    let mut answer = whole(TEXT, String::new()).map(|_| Either::Right(following));
    answer.headers_mut().insert("x-accel-buffering", http::HeaderValue::from_static("no"));
    Ok(answer)
}

/// Lines as they come.
pub(super) struct Following {
    last: VecDeque<LogLine>,
    next: Receiver<LogLine>,
}

impl Body for Following {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = |line: LogLine| Ok(Frame::data(Bytes::from(format!("{line}\n"))));
        if let Some(line) = self.last.pop_front() {
            return Poll::Ready(Some(frame(line)));
        }
        self.next.poll_recv(cx).map(|line| line.map(frame))
    }
}
