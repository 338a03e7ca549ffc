//! The compiler's process: limits itself, reads what to compile, compiles it and answers. Whatever a component
//! makes of the compiler happens here, and ends with this process.

use super::order::{Answer, Order, Refusal, bounded, is_out_of_memory, read_line, write_line};
use rustix::process::{Resource, Rlimit, setrlimit};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use wasmparser::{BinaryReaderError, Validator, WasmFeatures};
use wasmtime::Engine;

/// The largest component that an order may name: what the host reads at most.
const COMPONENT_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// What the kernel's memory killer is to take first (proc_pid_oom_score_adj(5)).
const FIRST_TO_GO: &str = "1000";
/// What is said where it could tell that memory was at its end.
const OVER_MEMORY: &str = "it takes more memory than `compile-memory` allows";

/// Compiles what comes in by standard input, once, and writes the code to standard output.
///
/// # Errors
/// Where nobody has ordered anything, or the order is not whole.
pub fn compile_as_ordered() -> io::Result<()> {
    let stdin = io::stdin();
    if io::IsTerminal::is_terminal(&stdin) {
        return Err(io::Error::other("this is how the host compiles, which orders it over a pipe"));
    }
    serve(stdin.as_fd().try_clone_to_owned()?.into(), io::stdout().lock())
}

fn serve(from: File, to: impl Write) -> io::Result<()> {
    let mut from = BufReader::new(from);
    let order: Order = read_line(&mut from)?;
    if order.component_bytes > COMPONENT_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the component is too large"));
    }
    limit_self(&order)?;
    let mut component = Vec::with_capacity(usize::try_from(order.component_bytes).unwrap_or_default());
    from.by_ref().take(order.component_bytes).read_to_end(&mut component)?;
    if component.len() as u64 != order.component_bytes {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    hang_on_to(from)?;
    // A panic is told on standard error, too: the last words of one that cannot be caught.
    let compiled = catch_unwind(AssertUnwindSafe(|| compile(&order, &component)));
    let compiled = compiled.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
        Err(match is_out_of_memory(text) {
            true => Refusal::Limit(OVER_MEMORY.to_owned()),
            false => Refusal::Failed(format!("it panicked: {text}")),
        })
    });
    let mut to = BufWriter::new(to);
    match compiled {
        Ok(code) => {
            write_line(&mut to, &Answer::Code(code.len() as u64))?;
            to.write_all(&code)?;
        }
        Err(refusal) => write_line(&mut to, &Answer::Refused(refusal.bounded()))?,
    }
    to.flush()
}

/// Gives this process the limits of its order, while it still has a single thread.
fn limit_self(order: &Order) -> io::Result<()> {
    let limit = |resource, current: u64, maximum: u64| {
        // What is lower already stays.
        let there_is = rustix::process::getrlimit(resource);
        let lower = |limit: u64, given: Option<u64>| Some(given.map_or(limit, |given| given.min(limit)));
        let maximum = lower(maximum, there_is.maximum);
        let current = lower(current, there_is.current).min(maximum);
        setrlimit(resource, Rlimit { current, maximum })
    };
    limit(Resource::Core, 0, 0)?;
    limit(Resource::Cpu, order.cpu_s_max, order.cpu_s_max.saturating_add(1))?;
    // Systems without this limit are left with that of the CPU time.
    let _ = limit(Resource::As, order.memory_bytes_max, order.memory_bytes_max);
    let _ = std::fs::write("/proc/self/oom_score_adj", FIRST_TO_GO);
    if order.yields {
        yield_to_all();
    }
    Ok(())
}

/// The lowest priority there is, for this thread and those it starts. A system that refuses it (a container's
/// filter) has the process run at the usual one.
fn yield_to_all() {
    #[cfg(target_os = "linux")]
    {
        use thread_priority::{
            NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy,
            thread_native_id,
        };
        let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
        let _ = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle);
    }
    let _ = rustix::process::setpriority_process(None, 19);
}

/// Ends this process when the host is gone: it holds the other end, and sends nothing more.
fn hang_on_to(mut host: BufReader<File>) -> io::Result<()> {
    let until_gone = move || {
        let _ = host.read(&mut [0]);
        std::process::exit(1);
    };
    std::thread::Builder::new().name("leash".into()).stack_size(64 * 1024).spawn(until_gone).map(drop)
}

fn compile(order: &Order, component: &[u8]) -> Result<Vec<u8>, Refusal> {
    fail::fail_point!("compiler", |_| std::process::abort());
    let engine = Engine::new(&order.code.config()).map_err(|error| Refusal::Failed(format!("{error:#}")))?;
    engine.precompile_component(component).map_err(|error| refusal(component, &error))
}

/// Why the compiler did not take it. What it says itself does not always tell whose fault it is.
fn refusal(component: &[u8], error: &wasmtime::Error) -> Refusal {
    let text = format!("{error:#}");
    let is = |part: &str| text.contains(part);
    if is_out_of_memory(&text) {
        Refusal::Limit(OVER_MEMORY.to_owned())
    } else if is("nesting is too deep") {
        Refusal::TooComplex(text)
    } else if let Err(invalid) = Validator::new_with_features(WasmFeatures::all()).validate_all(component) {
        Refusal::Invalid(format!("{} (at byte {})", invalid.message(), invalid.offset()))
    } else if is("Implementation limit exceeded") || is("Code for function is too large") {
        Refusal::Limit(text)
    } else if is("Unsupported feature") || error.is::<BinaryReaderError>() || is("(at offset 0x") {
        Refusal::Unsupported(text)
    } else {
        Refusal::Failed(text)
    }
}

impl Refusal {
    fn bounded(self) -> Self {
        match self {
            Self::Invalid(text) => Self::Invalid(bounded(&text)),
            Self::Unsupported(text) => Self::Unsupported(bounded(&text)),
            Self::TooComplex(text) => Self::TooComplex(bounded(&text)),
            Self::Limit(text) => Self::Limit(bounded(&text)),
            Self::Failed(text) => Self::Failed(bounded(&text)),
        }
    }
}

#[cfg(test)]
#[path = "child/tests.rs"]
mod tests;
