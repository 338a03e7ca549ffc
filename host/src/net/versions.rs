//! HTTP/1.1 and HTTP/2 as hyper is to speak them: every limit is set, none left to a default.

use super::stream::Streams;
use crate::config::NetConfig;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::TokioTimer;
use std::time::Duration;

/// Header fields that hyper reads before it answers 431 by itself; ours answer earlier, with a reason.
const HYPER_FIELDS_MAX: usize = 256;

/// Bytes of a body that an HTTP/2 client may send before its guest reads: of one request, and of all on
/// a connection.
const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;
/// The least that RFC 9113 §4.2 allows.
const FRAME_BYTES_MAX: u32 = 16 * 1024;
/// Bytes of an answer that wait in a stream for its client's window.
const SEND_BUFFER_BYTES_MAX: usize = 64 * 1024;
/// Bytes of header fields that a client may have the connection remember (HPACK).
const HEADER_TABLE_BYTES: u32 = 4 * 1024;
/// Streams that were reset before we took notice of them, at once (rapid reset, CVE-2023-44487).
const UNSEEN_RESETS_MAX: usize = 20;
/// Streams that we had to reset for what the client sent, over a connection's life (MadeYouReset,
/// CVE-2025-8671).
const PROVOKED_RESETS_MAX: usize = 1024;
/// How often a client is asked whether it is still there, and how long it may take to say so.
const PING_INTERVAL: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// HTTP/1.1. How long a head may take is not left to hyper: it counts the pause between two requests to
/// the second one.
pub(super) fn http1(config: &NetConfig) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.header_read_timeout(None).max_headers(HYPER_FIELDS_MAX).max_buf_size(head_bytes_max(config));
    builder
}

/// HTTP/2. Floods of empty and of tiny DATA frames, and of CONTINUATION frames, are ended by the h2
/// library's own budgets, which follow from these.
pub(super) fn http2(config: &NetConfig) -> http2::Builder<Streams> {
    let mut builder = http2::Builder::new(Streams { write_timeout: config.write_timeout });
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(config.concurrent_streams_max)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .adaptive_window(false)
        .max_frame_size(FRAME_BYTES_MAX)
        .max_header_list_size(u32::try_from(head_bytes_max(config)).unwrap_or(u32::MAX))
        .header_table_size(HEADER_TABLE_BYTES)
        .max_send_buf_size(SEND_BUFFER_BYTES_MAX)
        .max_pending_accept_reset_streams(UNSEEN_RESETS_MAX)
        .max_local_error_reset_streams(PROVOKED_RESETS_MAX)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT);
    builder
}

/// Room for a head a little larger than allowed, so that the answer to it is ours; hyper asks for
/// at least 8 KiB.
fn head_bytes_max(config: &NetConfig) -> usize {
    (2 * (config.uri_bytes_max + config.header_bytes_max)).max(64 * 1024)
}
