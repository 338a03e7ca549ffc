//! What the host tells about itself: log lines, and the record of each request. A leaf: it knows no
//! other module but [`crate::outcome`].

mod chain;
mod exchange;
mod handler_stats;
mod harmless;
mod line;
mod log;
mod progress;
mod recent;
mod request_id;
mod sampler;
mod tally;
mod trace_context;
mod verdict;
mod writer;

pub use chain::chain;
pub use exchange::{Exchange, RequestHead};
pub use handler_stats::HandlerStats;
pub use log::start as start_log;
pub use progress::{Progress, Wait};
pub use recent::{LogLine, Recent};
pub use request_id::RequestId;
pub use sampler::Sampler;
pub use tally::Tally;
pub use trace_context::TraceParent;
pub use writer::log_from_low_priority;
