//! A body and its end, however its guest and its reader go.

use super::*;
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::mpsc;
use wasmtime_wasi_http::Error;

/// Ends like a library's body: in the same way whether its writer has finished or has gone.
struct Written(mpsc::Receiver<Result<Frame<Bytes>, Error>>);

impl Body for Written {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.0.poll_recv(cx)
    }
}

type Writer = mpsc::Sender<Result<Frame<Bytes>, Error>>;
type Sent = oneshot::Receiver<Result<(), Error>>;

fn passage(declared: Option<u64>) -> (Arc<Passage>, Writer, Sent) {
    let (writer, frames) = mpsc::channel(1);
    let (sent, told) = oneshot::channel();
    let frames = http_body_util::BodyExt::boxed_unsync(Written(frames));
    (Arc::new(Passage::new(frames, declared, false, sent)), writer, told)
}

fn write(writer: &Writer, text: &'static str) {
    writer.try_send(Ok(Frame::data(Bytes::from_static(text.as_bytes())))).expect("room");
}

/// What the connection sees next: some text, an end, a cut, or nothing yet.
fn read(passage: &Passage) -> Option<String> {
    match passage.poll_frame(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Some(Ok(frame))) => {
            let data = frame.into_data().expect("data");
            Some(String::from_utf8(data.to_vec()).expect("text"))
        }
        Poll::Ready(Some(Err(_))) => Some("cut".to_owned()),
        Poll::Ready(None) => Some("end".to_owned()),
        Poll::Pending => None,
    }
}

#[test]
fn finished_body_is_whole_though_its_guest_is_gone() {
    let (passage, writer, mut sent) = passage(None);
    write(&writer, "all");
    drop(writer);
    assert!(passage.settle());
    assert_eq!(read(&passage).as_deref(), Some("all"));
    assert_eq!(read(&passage).as_deref(), Some("end"));
    assert!(matches!(sent.try_recv(), Ok(Ok(()))));
}

#[test]
fn body_whose_guest_is_gone_in_the_middle_is_cut_once_it_is_recorded_why() {
    let (passage, writer, mut sent) = passage(None);
    write(&writer, "half");
    assert!(!passage.settle());
    // The store goes down, and with it the writer.
    drop(writer);
    assert_eq!(read(&passage).as_deref(), Some("half"));
    assert_eq!(read(&passage), None, "nobody has said why");
    passage.tell();
    assert_eq!(read(&passage).as_deref(), Some("cut"));
    assert!(matches!(sent.try_recv(), Ok(Err(Error::HttpResponseIncomplete))));
}

#[test]
fn body_is_as_long_as_declared_or_cut() {
    for (text, last) in [("12345", "end"), ("1234", "cut")] {
        let (passage, writer, _sent) = passage(Some(5));
        write(&writer, text);
        drop(writer);
        assert_eq!(read(&passage).as_deref(), Some(text));
        assert_eq!(read(&passage).as_deref(), Some(last));
    }
}

#[test]
fn released_body_goes_on_without_its_guest() {
    let (passage, writer, _sent) = passage(None);
    passage.release();
    assert!(!passage.settle());
    write(&writer, "late");
    assert_eq!(read(&passage).as_deref(), Some("late"));
    drop(writer);
    assert_eq!(read(&passage).as_deref(), Some("end"));
}

#[test]
fn draining_waits_for_the_reader_and_for_no_more_than_some_turns() {
    let cx = &mut Context::from_waker(Waker::noop());
    let (passage, writer, _sent) = passage(None);
    let mut turns = 0;
    for text in ["one", "two"] {
        write(&writer, text);
        assert!(passage.poll_drained(cx, &mut turns).is_pending());
    }
    write(&writer, "three");
    assert!(passage.poll_drained(cx, &mut turns).is_pending(), "there is room for two");
    for text in ["one", "two", "three"] {
        assert_eq!(read(&passage).as_deref(), Some(text));
    }
    let polls = (0..=TURNS_MAX + 1).take_while(|_| passage.poll_drained(cx, &mut turns).is_pending());
    assert!(polls.count() <= TURNS_MAX as usize + 1);
    assert!(!passage.settle(), "nobody finished it");
}

#[test]
fn reader_that_goes_tells_the_guest() {
    let (passage, writer, mut sent) = passage(None);
    passage.abandon();
    assert!(writer.is_closed());
    assert!(matches!(sent.try_recv(), Ok(Err(Error::ConnectionTerminated))));
}
