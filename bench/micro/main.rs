//! The parts of a request, each by itself: timed by criterion, or done so many times for whoever counts the
//! instructions (`--count PART TIMES CACHE`). `cargo xtask bench micro` does both.

mod parts;

use criterion::Criterion;
use parts::{Bench, Part};
use std::process::ExitCode;
use wasm_host::sandbox::COMPILE_WORD;

/// The host's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        // The host has components compiled by itself, in another process.
        [COMPILE_WORD, ..] => return wasm_host::cli::main(),
        ["--count", part, times, cache] => {
            let part = Part::ALL.into_iter().find(|known| known.name() == part);
            let (Some(part), Ok(times)) = (part, times.parse()) else { return ExitCode::from(64) };
            Bench::new(Some(cache.into())).run(part, times);
        }
        _ => time(),
    }
    ExitCode::SUCCESS
}

fn time() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut bench = Bench::new(None);
    for part in Part::ALL {
        criterion.bench_function(part.name(), |timed| {
            timed.iter_custom(|times| {
                let begin = std::time::Instant::now();
                bench.run(part, times);
                begin.elapsed()
            });
        });
    }
    criterion.final_summary();
}
