//! The built-in handler: what is served when there is nothing else to serve. Real wasm, on the same
//! path as everyone's, built from `guest/welcome`.

use crate::config::{ComponentSource, Config};
use bytesize::ByteSize;
use humantime::format_duration;

/// The built component.
pub(super) const COMPONENT: &[u8] = include_bytes!("../../../guest/welcome/welcome.wasm");

/// Tells the built-in handler what it shows.
pub(super) fn set_up(config: &mut Config) {
    let env = env(config);
    for handler in config.handlers.iter_mut().filter(|handler| handler.source == ComponentSource::BuiltIn) {
        handler.terms.grants.env.clone_from(&env);
    }
}

/// What the page shows, as its environment; the number of the instance is added for each.
fn env(config: &Config) -> Vec<(String, String)> {
    let limits = &config.limits;
    [
        ("VERSION", env!("CARGO_PKG_VERSION").to_owned()),
        ("INSTANCES", config.admission.instances.to_string()),
        ("CONCURRENCY", config.admission.concurrency.to_string()),
        ("THREADS", config.executor.threads.to_string()),
        ("TIMEOUT", format_duration(limits.timeout).to_string()),
        ("CPU_TIME", format_duration(limits.cpu_time).to_string()),
        ("MEMORY", ByteSize(limits.memory_bytes_max).to_string()),
        ("MAX_BODY", ByteSize(config.net.body_bytes_max).to_string()),
    ]
    .map(|(name, value)| (format!("WASM_HOST_{name}"), value))
    .into()
}
