//! The real binary over real sockets: what clients, guests, uploads and settings get for an answer.
//! Every test starts a host of its own, so they run in parallel.

#![allow(clippy::print_stdout, reason = "a claim about time or size is told with its figures")]

mod harness;

#[path = "serving/admin.rs"]
mod admin;
#[path = "serving/admin_access.rs"]
mod admin_access;
#[path = "serving/admission.rs"]
mod admission;
#[path = "serving/bodies.rs"]
mod bodies;
#[path = "serving/cli.rs"]
mod cli;
#[path = "serving/components.rs"]
mod components;
#[path = "serving/config.rs"]
mod config;
#[path = "serving/conformance.rs"]
mod conformance;
#[path = "serving/cuts.rs"]
mod cuts;
#[path = "serving/deployments.rs"]
mod deployments;
#[path = "serving/floods.rs"]
mod floods;
#[path = "serving/grants.rs"]
mod grants;
#[path = "serving/http2.rs"]
mod http2;
#[path = "serving/limits.rs"]
mod limits;
#[path = "serving/listeners.rs"]
mod listeners;
#[path = "serving/logs.rs"]
mod logs;
#[path = "serving/malformed.rs"]
mod malformed;
#[path = "serving/memory.rs"]
mod memory;
#[path = "serving/metrics.rs"]
mod metrics;
#[path = "serving/middleware.rs"]
mod middleware;
#[path = "serving/outbound.rs"]
mod outbound;
#[path = "serving/p3.rs"]
mod p3;
#[path = "serving/patience.rs"]
mod patience;
#[path = "serving/proxies.rs"]
mod proxies;
#[path = "serving/registries.rs"]
mod registries;
#[path = "serving/registry_faults.rs"]
mod registry_faults;
#[path = "serving/registry_logins.rs"]
mod registry_logins;
#[path = "serving/requests.rs"]
mod requests;
#[path = "serving/responses.rs"]
mod responses;
#[path = "serving/reuse.rs"]
mod reuse;
#[path = "serving/routing.rs"]
mod routing;
#[path = "serving/shutdown.rs"]
mod shutdown;
#[path = "serving/signatures.rs"]
mod signatures;
#[path = "serving/tls.rs"]
mod tls;
#[path = "serving/welcome.rs"]
mod welcome;
