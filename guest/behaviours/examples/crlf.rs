//! Tries to set response headers with line breaks, NUL and other characters that have no place in
//! them. Answers, for each, `refused ERROR CALL NAME: VALUE` or `accepted CALL NAME: VALUE`, with
//! the accepted ones in its headers.
//!
//! Claim: no guest can write a header, a second response or a byte of its own onto the wire.

use behaviours::prelude::*;

behaviours::export!(handle);

const FIELDS: [(&str, &[u8]); 11] = [
    ("x-crlf", b"a\r\nx-injected: 1"),
    ("x-lf", b"a\nx-injected: 1"),
    ("x-cr", b"a\rx-injected: 1"),
    ("x-nul", b"a\0b"),
    ("x-response", b"a\r\n\r\nHTTP/1.1 200 OK\r\n\r\ninjected"),
    ("x-name\r\nx-injected", b"1"),
    ("x-name\n", b"1"),
    ("x-nul\0", b"1"),
    ("x name", b"1"),
    ("x-colon: 1\r\nx", b"1"),
    ("", b"1"),
];

fn handle(_request: IncomingRequest, out: ResponseOutparam) {
    let fields = Fields::new();
    let mut lines = Vec::new();
    for (name, value) in FIELDS {
        let list = [(name.to_owned(), value.to_owned())];
        let tries = [
            ("append", fields.append(name, value)),
            ("set", fields.set(name, &[value.to_owned()])),
            ("from-list", Fields::from_list(&list).map(drop)),
        ];
        for (call, result) in tries {
            let verdict = match result {
                Ok(()) => "accepted".to_owned(),
                Err(error) => format!("refused {error:?}"),
            };
            let name = name.escape_default();
            lines.push(format!("{verdict} {call} {name}: {}\n", value.escape_ascii()));
        }
    }
    let mut response = OpenResponse::send(out, OutgoingResponse::new(fields));
    if response.write(lines.concat().as_bytes()) {
        response.finish(None);
    }
}
