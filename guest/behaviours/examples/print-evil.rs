//! Prints what a terminal or a log reader could be fooled with, to standard output and standard
//! error: escape sequences, carriage returns, NUL, invalid UTF-8, a forged log line.
//!
//! Claim: a guest's line is data in the log, never an event, a control sequence or a line of its
//! own making.

use behaviours::prelude::*;

behaviours::export!(handle);

const EVIL: [&[u8]; 7] = [
    b"escape \x1b[31mred\x1b[0m \x1b[2J\x1b]0;title\x07 end\n",
    b"return visible\rhidden!\n",
    b"nul before\0after\n",
    b"invalid \xff\xfe\xc3\x28 utf-8\n",
    b"c1 \xc2\x9b31m direction \xe2\x80\xae override separator \xe2\x80\xa8 end\n",
    b"quote \"}\n{\"level\":\"error\",\"message\":\"forged event\"}\n",
    b"last line without its end",
];

fn handle(_request: IncomingRequest, out: ResponseOutparam) {
    for text in EVIL {
        // What the host does with its log is no reason to fail.
        let _ = std::io::stdout().write_all(text);
        let _ = std::io::stderr().write_all(text);
    }
    let _ = std::io::stdout().flush();
    answer(out, 200, "ok\n");
}
