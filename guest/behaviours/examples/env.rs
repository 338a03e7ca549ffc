//! Answers what it was given without asking: `environment N`, `arguments N`, `preopens N` and
//! `cwd PATH` (or `cwd none`), each followed by the things themselves, one a line and indented.
//!
//! Claim: a guest sees nothing of the host's environment, arguments and files.

use behaviours::prelude::*;
use behaviours::wasip2::cli::environment;
use behaviours::wasip2::filesystem::preopens;

behaviours::export!(handle);

fn handle(_request: IncomingRequest, out: ResponseOutparam) {
    let variables =
        environment::get_environment().into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    let directories = preopens::get_directories().into_iter().map(|(_, path)| path).collect();
    let cwd = environment::initial_cwd().unwrap_or_else(|| "none".to_owned());
    let text = [
        section("environment", variables),
        section("arguments", environment::get_arguments()),
        section("preopens", directories),
        format!("cwd {cwd}\n"),
    ];
    answer(out, 200, &text.concat());
}

fn section(name: &str, items: Vec<String>) -> String {
    let mut text = format!("{name} {}\n", items.len());
    for item in items {
        text.push_str(&format!("  {item}\n"));
    }
    text
}
