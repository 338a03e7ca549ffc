//! The list of all settings, in the order of the help. Values that other values depend on stand
//! first: they are stored in this order.

mod admission;

use std::time::Duration;

use super::address::{admin, destination, listen, network};
use super::words::{
    CONNECTIONS_MAX, cache, connections, file, forwarded_by, fuel, hog_priority, log_format, switch, threads,
    variable,
};
use super::{Repeat, Setting};
use crate::config::mistake::Refusal;
use crate::config::token::Token;
use crate::config::units::{GIB, KIB, MIB, TIB, bytes, count, duration};

const SERVING: &str = "Serving";
const SCHEDULER: &str = "Scheduling";
const ADMISSION: &str = "Admission";
const TLS: &str = "TLS";
const CLIENTS: &str = "Limits of a request";
const GUESTS: &str = "Limits of an instance";
const GRANTS: &str = "Grants to a handler";

const MILLISECOND: Duration = Duration::from_millis(1);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Every setting.
pub static SETTINGS: &[Setting] = &[
    Setting {
        name: "listen",
        value: "ADDR",
        default: "auto",
        section: SERVING,
        help: "Address and port (port 0 lets the system choose) or `unix:PATH` to listen on; `auto` is what \
               the service manager passes, else 127.0.0.1:8080; repeatable",
        repeat: Repeat::Many { env_separator: Some(',') },
        set: |config, text| {
            config.net.listen.push(listen(text)?);
            Ok(())
        },
    },
    Setting {
        name: "admin",
        value: "ADDR",
        default: "auto",
        section: SERVING,
        help: "Address and port for looking after the host; `auto` is 127.0.0.1:8081 if it is free, or `off`",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.admin.listen, admin(text)),
    },
    Setting {
        name: "admin-token",
        value: "TOKEN",
        default: "",
        section: SERVING,
        help: "What clients of that address must know; others on this machine see flags, but no variables",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.admin.token, Token::read(text).map(Some)),
    },
    Setting {
        name: "threads",
        value: "N",
        default: "cores",
        section: SERVING,
        help: "Threads that run handlers; `cores` is one for each",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.executor.threads, threads(text)),
    },
    Setting {
        name: "max-connections",
        value: "N",
        default: "auto",
        section: SERVING,
        help: "Connections open at once; `auto` is half of the file descriptor limit",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.net.connections_max, connections(text)),
    },
    Setting {
        name: "drain-delay",
        value: "TIME",
        default: "0s",
        section: SERVING,
        help: "How long to serve on after SIGINT or SIGTERM while `/ready` says 503: what balances load needs \
               time to notice",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.net.drain_delay, duration(text, Duration::ZERO..=DAY)),
    },
    Setting {
        name: "drain-timeout",
        value: "TIME",
        default: "30s",
        section: SERVING,
        help: "How long running requests may go on after SIGINT or SIGTERM",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.net.drain_timeout, duration(text, Duration::ZERO..=DAY)),
    },
    Setting {
        name: "cache",
        value: "DIR",
        default: "user",
        section: SERVING,
        help: "Where compiled code is kept: a directory, `user` for the user's cache directory, or `off`",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.cache, cache(text)),
    },
    Setting {
        name: "log-format",
        value: "FORMAT",
        default: "human",
        section: SERVING,
        help: "How log lines are written: `human` or `json`",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.log_format, log_format(text)),
    },
    Setting {
        name: "slice",
        value: "TIME",
        default: "1ms",
        section: SCHEDULER,
        help: "Longest run before the other instances have their turn",
        repeat: Repeat::Once,
        set: |config, text| {
            let range = Duration::from_micros(100)..=Duration::from_secs(1);
            store(&mut config.executor.slice, duration(text, range))
        },
    },
    Setting {
        name: "busy-after",
        value: "TIME",
        default: "2ms",
        section: SCHEDULER,
        help: "CPU time after which a request leaves the threads of normal priority",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.executor.busy_after, duration(text, Duration::ZERO..=DAY)),
    },
    Setting {
        name: "hog-after",
        value: "TIME",
        default: "600ms",
        section: SCHEDULER,
        help: "CPU time after which a request gets only what the others leave",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.executor.hog_after, duration(text, Duration::ZERO..=DAY)),
    },
    Setting {
        name: "busy-nice",
        value: "N",
        default: "12",
        section: SCHEDULER,
        help: "Nice value of the threads between the two",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.executor.busy_nice, count(text, 0..=19)),
    },
    Setting {
        name: "hog-priority",
        value: "N",
        default: "idle",
        section: SCHEDULER,
        help: "Nice value of the last threads, or `idle` for SCHED_IDLE",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.executor.hog_priority, hog_priority(text)),
    },
    Setting {
        name: "pin-threads",
        value: "on|off",
        default: "off",
        section: SCHEDULER,
        help: "Whether each thread that runs handlers stays on one core",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.executor.pin_threads, switch(text)),
    },
    Setting {
        name: "tls-cert",
        value: "FILE",
        default: "off",
        section: TLS,
        help: "PEM file of the certificate, with those that vouch for it; read again when it changes",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.net.tls.cert, file(text)),
    },
    Setting {
        name: "tls-key",
        value: "FILE",
        default: "off",
        section: TLS,
        help: "PEM file of the certificate's key",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.net.tls.key, file(text)),
    },
    Setting {
        name: "tls-client-ca",
        value: "FILE",
        default: "off",
        section: TLS,
        help: "PEM file of authorities: every client needs a certificate of one of them",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.net.tls.client_ca, file(text)),
    },
    Setting {
        name: "handshake-timeout",
        value: "TIME",
        default: "10s",
        section: TLS,
        help: "How long a TLS handshake may take",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.net.tls.handshake_timeout, duration(text, MILLISECOND..=DAY)),
    },
    Setting {
        name: "max-handshakes",
        value: "N",
        default: "256",
        section: TLS,
        help: "TLS handshakes at once; beyond that the oldest gives way",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.net.tls.handshakes_max, count(text, 1..=CONNECTIONS_MAX)),
    },
    Setting {
        name: "trusted-proxies",
        value: "NET",
        default: "",
        section: CLIENTS,
        help: "Proxies that are believed about a request's client, scheme and host, as 10.0.0.0/8; repeatable",
        repeat: Repeat::Many { env_separator: Some(',') },
        set: |config, text| {
            config.net.proxies.trusted.push(network(text)?);
            Ok(())
        },
    },
    Setting {
        name: "forwarded-by",
        value: "FIELD",
        default: "x-forwarded",
        section: CLIENTS,
        help: "What they write: `x-forwarded` (-For, -Proto and -Host) or `forwarded` (RFC 7239)",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.net.proxies.forwarded_by, forwarded_by(text)),
    },
    Setting {
        name: "max-body",
        value: "SIZE",
        default: "16MiB",
        section: CLIENTS,
        help: "Bytes of a request's body",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.net.body_bytes_max, bytes(text, 0..=TIB)),
    },
    Setting {
        name: "max-uri",
        value: "SIZE",
        default: "8KiB",
        section: CLIENTS,
        help: "Bytes of a request's target",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.net.uri_bytes_max, bytes(text, 64..=60 * KIB)),
    },
    Setting {
        name: "max-header",
        value: "SIZE",
        default: "32KiB",
        section: CLIENTS,
        help: "Bytes of a request's header fields",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.net.header_bytes_max, bytes(text, KIB..=256 * KIB)),
    },
    Setting {
        name: "max-concurrent-streams",
        value: "N",
        default: "100",
        section: CLIENTS,
        help: "Requests at once on one HTTP/2 connection",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.net.concurrent_streams_max, count(text, 1..=10_000)),
    },
    Setting {
        name: "header-timeout",
        value: "TIME",
        default: "10s",
        section: CLIENTS,
        help: "How long a client may take to send a request's head",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.net.header_timeout, duration(text, MILLISECOND..=DAY)),
    },
    Setting {
        name: "idle-timeout",
        value: "TIME",
        default: "60s",
        section: CLIENTS,
        help: "How long a connection may go without a request",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.net.idle_timeout, duration(text, MILLISECOND..=DAY)),
    },
    Setting {
        name: "write-timeout",
        value: "TIME",
        default: "30s",
        section: CLIENTS,
        help: "How long a client may take to read the next 16 KiB of a response",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.net.write_timeout, duration(text, MILLISECOND..=DAY)),
    },
    Setting {
        name: "body-timeout",
        value: "TIME",
        default: "15s",
        section: CLIENTS,
        help: "How long a handler waits for the next bytes of a request's body",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.net.body_timeout, duration(text, MILLISECOND..=DAY)),
    },
    Setting {
        name: "timeout",
        value: "TIME",
        default: "30s",
        section: GUESTS,
        help: "Time from a request's admission to the end of its answer",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.limits.timeout, duration(text, MILLISECOND..=DAY)),
    },
    Setting {
        name: "cpu-time",
        value: "TIME",
        default: "10s",
        section: GUESTS,
        help: "CPU time of one request",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.limits.cpu_time, duration(text, MILLISECOND..=DAY)),
    },
    Setting {
        name: "fuel",
        value: "N",
        default: "off",
        section: GUESTS,
        help: "Fuel of one request, about a unit per instruction, or `off`",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.limits.fuel, fuel(text)),
    },
    Setting {
        name: "memory",
        value: "SIZE",
        default: "128MiB",
        section: GUESTS,
        help: "Bytes of all memories and tables",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.limits.memory_bytes_max, bytes(text, 64 * KIB..=4 * GIB)),
    },
    // The host reserves this and 1.5 MiB for every instance: at most a TiB. Less than 64 KiB fails
    // honest handlers; more than 8 MiB, what native programs have, is a runaway recursion.
    Setting {
        name: "max-stack",
        value: "SIZE",
        default: "512KiB",
        section: GUESTS,
        help: "Bytes of WebAssembly stack",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.limits.stack_bytes_max, bytes(text, 64 * KIB..=8 * MIB)),
    },
    Setting {
        name: "max-handles",
        value: "N",
        default: "1024",
        section: GUESTS,
        help: "Streams, bodies and other host resources held at once",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.limits.handles_max, count(text, 16..=1_000_000)),
    },
    Setting {
        name: "max-hostcall",
        value: "SIZE",
        default: "8MiB",
        section: GUESTS,
        help: "Bytes handed to the host in one call",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.limits.hostcall_bytes_max, bytes(text, 64 * KIB..=128 * MIB)),
    },
    Setting {
        name: "max-random",
        value: "SIZE",
        default: "1MiB",
        section: GUESTS,
        help: "Bytes of randomness in one call",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.limits.random_bytes_max, bytes(text, 4 * KIB..=64 * MIB)),
    },
    Setting {
        name: "max-fields",
        value: "SIZE",
        default: "64KiB",
        section: GUESTS,
        help: "Bytes of one set of header fields in memory",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.limits.fields_bytes_max, bytes(text, KIB..=512 * KIB)),
    },
    Setting {
        name: "max-outbound",
        value: "N",
        default: "8",
        section: GUESTS,
        help: "Outbound connections at once",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.limits.outbound_max, count(text, 0..=1000)),
    },
    Setting {
        name: "max-log",
        value: "SIZE",
        default: "64KiB",
        section: GUESTS,
        help: "Bytes of standard output and error that reach the log",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.limits.log_bytes_max, bytes(text, 0..=64 * MIB)),
    },
    admission::INSTANCES,
    admission::CONCURRENCY,
    admission::QUEUE,
    admission::QUEUE_SHARE,
    admission::QUEUE_TIMEOUT,
    admission::MAX_STREAMS,
    admission::RATE_LIMIT_CLIENT,
    admission::RATE_LIMIT_HANDLER,
    admission::MEMORY_PRESSURE,
    Setting {
        name: "env",
        value: "NAME=VALUE",
        default: "",
        section: GRANTS,
        help: "An environment variable of the handler; repeatable",
        repeat: Repeat::Many { env_separator: None },
        set: |config, text| {
            let variable = variable(text, &config.grants.env)?;
            config.grants.env.push(variable);
            Ok(())
        },
    },
    Setting {
        name: "max-outbound-total",
        value: "N",
        default: "256",
        section: GRANTS,
        help: "Outbound connections of all requests at once",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.grants.outbound_max, count(text, 0..=100_000)),
    },
    Setting {
        name: "allow-outbound",
        value: "HOST:PORT",
        default: "",
        section: GRANTS,
        help: "A destination of outbound requests, with `*` for every port; repeatable",
        repeat: Repeat::Many { env_separator: Some(',') },
        set: |config, text| {
            config.grants.outbound.push(destination(text)?);
            Ok(())
        },
    },
];

fn store<T>(place: &mut T, value: Result<T, Refusal>) -> Result<(), Refusal> {
    *place = value?;
    Ok(())
}

#[cfg(test)]
mod tests;
