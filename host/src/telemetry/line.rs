//! The fields of a line of the log, without colours: the same that tracing-subscriber writes, at less than half of its
//! price. Every request has a line, and the library's way to its fields, through nested formatters with room for
//! colours, was a sixth of what a thread of connections did for a small request.

use std::fmt::{self, Debug};
use tracing::field::{Field, Visit};
use tracing_subscriber::field::{RecordFields, VisitOutput};
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::{DefaultVisitor, Writer};

/// What becomes the text of the event, without a name.
const MESSAGE: &str = "message";
/// Floating-point numbers of this size are written as whole and fraction.
const PLAIN_NUMBERS: std::ops::Range<f64> = 1e-3..1e15;
/// Text of them for which there is no choice: so few decimal digits, and a point, are those of no other number.
const CERTAIN_BYTES_MAX: usize = 16;

/// The fields of an event, as `name=value`.
pub(super) struct Fields;

impl<'a> FormatFields<'a> for Fields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'a>, fields: R) -> fmt::Result {
        let mut visitor = Visitor { writer, begun: false, result: Ok(()) };
        fields.record(&mut visitor);
        visitor.result
    }
}

struct Visitor<'a> {
    writer: Writer<'a>,
    begun: bool,
    result: fmt::Result,
}

impl Visitor<'_> {
    /// Writes a field's name, and its value by `write`; not the message.
    fn field(&mut self, field: &Field, write: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        let written = (|| {
            self.result?;
            if self.begun {
                self.writer.write_str(" ")?;
            }
            let name = field.name();
            self.writer.write_str(name.strip_prefix("r#").unwrap_or(name))?;
            self.writer.write_str("=")?;
            write(&mut self.writer)
        })();
        self.begun = true;
        self.result = written;
    }

    /// Has the library write a value that needs its care.
    fn leave(&mut self, record: impl FnOnce(&mut DefaultVisitor<'_>)) {
        if self.result.is_ok() {
            let mut visitor = DefaultVisitor::new(self.writer.by_ref(), !self.begun);
            record(&mut visitor);
            self.result = visitor.finish();
            self.begun = true;
        }
    }
}

impl Visit for Visitor<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == MESSAGE {
            self.leave(|visitor| visitor.record_str(field, value));
        } else {
            self.field(field, |writer| match value.bytes().all(is_plain) {
                true => ["\"", value, "\""].iter().try_for_each(|part| writer.write_str(part)),
                false => write!(writer, "{value:?}"),
            });
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.field(field, |writer| writer.write_str(itoa::Buffer::new().format(value)));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.field(field, |writer| {
            if PLAIN_NUMBERS.contains(&value) {
                let mut buffer = zmij::Buffer::new();
                let text = buffer.format_finite(value);
                if text.len() <= CERTAIN_BYTES_MAX {
                    return writer.write_str(text);
                }
            }
            write!(writer, "{value:?}")
        });
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.leave(|visitor| visitor.record_error(field, value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == MESSAGE {
            self.leave(|visitor| visitor.record_debug(field, value));
        } else {
            self.field(field, |writer| write!(writer, "{value:?}"));
        }
    }
}

/// Whether a character stands for itself between quotes.
fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io;
    use std::sync::{Arc, Mutex};
    use tracing::Subscriber;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("a page").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is written of `event` by the subscriber that `build` makes.
    fn written<S: Subscriber + Send + Sync>(build: impl FnOnce(Page) -> S, event: impl FnOnce()) -> String {
        let page = Page::default();
        tracing::subscriber::with_default(build(page.clone()), event);
        String::from_utf8(page.0.lock().expect("a page").clone()).expect("UTF-8")
    }

    proptest! {
        #[test]
        fn lines_are_those_of_the_library(
            text: String, name in "[ -~]{0,9}", whole: u64, below: i64, number: f64, small in 0u32..9_000_000, on: bool,
        ) {
            let millis = f64::from(small) / 1e3;
            let event = || {
                let error = io::Error::other(text.clone());
                let source: &(dyn std::error::Error + 'static) = &error;
                tracing::warn!(text, name, r#type = whole, below, number, millis, on, shown = %text, none = None::<u64>,
                    source, "what {text}");
                // Two shortest decimals are as near to it.
                tracing::info!(millis, tie = 1.0 + 1.0 / 131_072.0);
                tracing::error!("{name}");
            };
            let plain = tracing_subscriber::fmt().with_ansi(false).without_time();
            let library = written(|page| plain.with_writer(move || page.clone()).finish(), event);
            let plain = tracing_subscriber::fmt().with_ansi(false).without_time().fmt_fields(Fields);
            let own = written(|page| plain.with_writer(move || page.clone()).finish(), event);
            prop_assert_eq!(own, library);
        }
    }
}
