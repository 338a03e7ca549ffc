//! Tries to read, write and list files as any program would. Answers a line for each: `CALL PATH
//! ok` or `CALL PATH ERROR`.
//!
//! Claim: a handler has no files.

use std::fs;

use behaviours::prelude::*;

behaviours::export!(handle);

fn handle(_request: IncomingRequest, out: ResponseOutparam) {
    let report = [
        ("read", "/etc/passwd", fs::read("/etc/passwd").map(drop)),
        ("read", "../etc/passwd", fs::read("../etc/passwd").map(drop)),
        ("read", "wasm-host.toml", fs::read("wasm-host.toml").map(drop)),
        ("list", "/", fs::read_dir("/").map(drop)),
        ("list", ".", fs::read_dir(".").map(drop)),
        ("create-dir", "/tmp/guest", fs::create_dir("/tmp/guest")),
        ("write", "/tmp/guest.txt", fs::write("/tmp/guest.txt", "guest")),
        ("write", "guest.txt", fs::write("guest.txt", "guest")),
        ("remove", "wasm-host.toml", fs::remove_file("wasm-host.toml")),
    ];
    let lines = report.map(|(call, path, result)| match result {
        Ok(()) => format!("{call} {path} ok\n"),
        Err(error) => format!("{call} {path} {error}\n"),
    });
    answer(out, 200, &lines.concat());
}
