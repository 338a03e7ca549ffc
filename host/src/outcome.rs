//! Every way a request can end, and what its client, its log line and its metric are told.
//!
//! One table for the whole program: a [`Reason`] is the label everywhere, [`Reason::status`] the
//! answer while there still is one to give. Owned by no layer, named by all of them.

use http::StatusCode;

/// How a request ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// The guest's own answer reached the end of its body.
    Answered,
    /// The host answered in the guest's place, or cut the guest's answer short.
    Failed(Reason),
}

/// Why a request is not served, and when its client may come back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// Why.
    pub reason: Reason,
    /// In how many seconds to come back (`Retry-After`), where that would help.
    pub retry_after_s: Option<u32>,
    /// The limit that was exceeded, where it is one on requests in a time.
    pub quota: Option<Quota>,
}

/// A limit on requests in a time, as the fields `RateLimit-Policy` and `RateLimit` tell it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Quota {
    /// Whose limit it is: `client` or `handler`.
    pub name: &'static str,
    /// Requests in a window.
    pub count: u32,
    /// Seconds of a window.
    pub window_s: u64,
    /// Seconds until the next request is taken.
    pub reset_s: u32,
}

impl From<Reason> for Refusal {
    /// With the time that the reason itself suggests.
    fn from(reason: Reason) -> Self {
        Self { reason, retry_after_s: reason.retry_after_s(), quota: None }
    }
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $label:literal, $status:ident, $proxy_error:literal, $title:literal;)*) => {
        /// Why a request did not end with the guest's own answer.
        ///
        /// Labels are stable: they are the `details` of `Proxy-Status`, the log field and the metric label.
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        pub enum Reason {
            $($(#[$doc])* $name,)*
        }

        impl Reason {
            /// Every reason, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The stable label, in snake case.
            pub const fn label(self) -> &'static str {
                match self { $(Self::$name => $label,)* }
            }

            /// The status of the host's answer, as long as no head was sent.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)* }
            }

            /// The error type registered by RFC 9209 §2.3 that comes closest.
            pub const fn proxy_error(self) -> &'static str {
                match self { $(Self::$name => $proxy_error,)* }
            }

            /// One sentence for the client; it never repeats what a guest said.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }
        }
    };
}

reasons! {
    /// No handler is routed for this request.
    NoRoute = "no_route", NOT_FOUND, "destination_not_found",
        "No handler serves this path.";
    /// The request breaks HTTP or asks for what the host cannot route.
    BadRequest = "bad_request", BAD_REQUEST, "http_request_error",
        "The request is malformed.";
    /// The method or the upgrade is not supported (`CONNECT`).
    NotImplemented = "not_implemented", NOT_IMPLEMENTED, "http_request_error",
        "The server does not support this method.";
    /// The request's target is longer than `--max-uri`.
    UriTooLong = "uri_too_long", URI_TOO_LONG, "http_request_error",
        "The request target is longer than the server allows.";
    /// The request's header fields are larger than `--max-header`.
    HeadersTooLarge = "headers_too_large", REQUEST_HEADER_FIELDS_TOO_LARGE, "http_request_error",
        "The request header fields are larger than the server allows.";
    /// The request's body is larger than `--max-body`.
    BodyTooLarge = "body_too_large", PAYLOAD_TOO_LARGE, "http_request_error",
        "The request body is larger than the server allows.";
    /// The client stopped sending a body that the guest was reading.
    BodyTimeout = "body_timeout", REQUEST_TIMEOUT, "connection_read_timeout",
        "The request body did not arrive in time.";
    /// The client, or all clients of the handler, asked more often than the limit on that allows.
    RateLimited = "rate_limited", TOO_MANY_REQUESTS, "http_request_denied",
        "Too many requests in a short time.";
    /// As many requests wait for an instance as `--queue` or the handler's share of it allows.
    QueueFull = "queue_full", SERVICE_UNAVAILABLE, "connection_limit_reached",
        "The server is busy and its queue is full.";
    /// No instance came free within `--queue-timeout`, or none would: the line is too long for that.
    QueueTimeout = "queue_timeout", SERVICE_UNAVAILABLE, "connection_limit_reached",
        "The server is busy and no instance came free in time.";
    /// The sandbox pool had no room although a permit was given.
    PoolExhausted = "pool_exhausted", SERVICE_UNAVAILABLE, "connection_limit_reached",
        "The server has no room for another instance.";
    /// As many responses are streaming as `--max-streams` allows.
    TooManyStreams = "too_many_streams", SERVICE_UNAVAILABLE, "connection_limit_reached",
        "The server is streaming as many responses as it can.";
    /// As many connections are open as `--max-connections` allows.
    TooManyConnections = "too_many_connections", SERVICE_UNAVAILABLE, "connection_limit_reached",
        "The server has as many connections as it can.";
    /// The memory is taken up to `--memory-pressure`.
    MemoryPressure = "memory_pressure", SERVICE_UNAVAILABLE, "connection_limit_reached",
        "The server is short of memory.";
    /// The host is shutting down.
    Draining = "draining", SERVICE_UNAVAILABLE, "destination_unavailable",
        "The server is shutting down.";
    /// The handler is paused (`wasm-host pause`).
    Paused = "paused", SERVICE_UNAVAILABLE, "destination_unavailable",
        "The handler is paused.";
    /// The host itself panicked while it served this request.
    HostPanic = "host_panic", INTERNAL_SERVER_ERROR, "proxy_internal_error",
        "The server failed while handling the request.";
    /// The executor thread that held the request died.
    ExecutorLost = "executor_lost", INTERNAL_SERVER_ERROR, "proxy_internal_error",
        "The server lost the thread that handled the request.";
    /// The instance that the request shared with others went down for another one's fault.
    InstanceLost = "instance_lost", INTERNAL_SERVER_ERROR, "http_response_incomplete",
        "The handler's instance was lost to another request.";
    /// The handler could not be started.
    InstantiationFailed = "instantiation_failed", INTERNAL_SERVER_ERROR, "proxy_internal_error",
        "The handler could not be started.";
    /// The guest trapped: `unreachable`, stack overflow, a misused resource.
    GuestTrap = "guest_trap", INTERNAL_SERVER_ERROR, "http_response_incomplete",
        "The handler failed.";
    /// The guest called `wasi:cli/exit`.
    GuestExit = "guest_exit", INTERNAL_SERVER_ERROR, "http_response_incomplete",
        "The handler exited without an answer.";
    /// The guest answered with an error code in place of a response.
    GuestError = "guest_error", INTERNAL_SERVER_ERROR, "http_response_incomplete",
        "The handler reported an error.";
    /// The guest returned without setting a response.
    GuestNoResponse = "guest_no_response", INTERNAL_SERVER_ERROR, "http_response_incomplete",
        "The handler gave no answer.";
    /// The guest's response is one that HTTP cannot carry (a 1xx status).
    GuestBadResponse = "guest_bad_response", INTERNAL_SERVER_ERROR, "http_protocol_error",
        "The handler gave an answer that cannot be sent.";
    /// The guest trapped after the host refused it memory.
    MemoryLimit = "memory_limit", INTERNAL_SERVER_ERROR, "http_response_incomplete",
        "The handler needs more memory than it may use.";
    /// The guest passed more to a host call than `--max-hostcall`.
    HostcallLimit = "hostcall_fuel", INTERNAL_SERVER_ERROR, "http_response_incomplete",
        "The handler passed more data to the server than it may.";
    /// The guest held more host resources than `--max-handles`.
    HandleLimit = "handle_limit", INTERNAL_SERVER_ERROR, "http_response_incomplete",
        "The handler holds more resources than it may.";
    /// The guest put more into one set of header fields than `--max-fields`.
    FieldsLimit = "fields_limit", INTERNAL_SERVER_ERROR, "http_response_incomplete",
        "The handler set more header fields than it may.";
    /// The wall deadline (`--timeout`) passed.
    GuestTimeout = "guest_timeout", GATEWAY_TIMEOUT, "http_response_timeout",
        "The handler did not finish in time.";
    /// The CPU budget (`--cpu-time`) is spent.
    CpuLimit = "cpu_limit", GATEWAY_TIMEOUT, "http_response_timeout",
        "The handler used up its CPU time.";
    /// The fuel (`--fuel`) is spent.
    FuelExhausted = "fuel_exhausted", GATEWAY_TIMEOUT, "http_response_timeout",
        "The handler used up its fuel.";
    /// Somebody who looks after the host ended the request (`DELETE /admin/jobs/ID`).
    Killed = "killed", GATEWAY_TIMEOUT, "http_response_incomplete",
        "The request was ended by an administrator.";
    /// The guest went on after its answer until a budget was spent. The answer stands and no client is
    /// told; it is the reason in the log and of a metric.
    PostReturnTimeout = "post_return_timeout", GATEWAY_TIMEOUT, "http_response_timeout",
        "The handler worked for too long after its answer.";
    /// The body's length is not the declared `content-length`.
    BodyMismatch = "body_mismatch", INTERNAL_SERVER_ERROR, "http_response_incomplete",
        "The handler's answer is not as long as it declared.";
    /// The guest dropped its response's body without finishing it.
    BodyUnfinished = "body_unfinished", INTERNAL_SERVER_ERROR, "http_response_incomplete",
        "The handler did not finish its answer.";
    /// The admin side has nothing at this path.
    NotFound = "not_found", NOT_FOUND, "destination_not_found",
        "There is nothing at this path.";
    /// The job that the admin side was asked for is not there, or not any more.
    NoSuchJob = "no_such_job", NOT_FOUND, "destination_not_found",
        "There is no such job.";
    /// What is at a path of the admin side does not do this.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "http_request_error",
        "This path does not support the method.";
    /// The admin side was asked without its token.
    Unauthorized = "unauthorized", UNAUTHORIZED, "http_request_denied",
        "The request lacks the token it needs.";
    /// The admin side was asked by a page in a browser, or under a name that is not its own.
    Forbidden = "forbidden", FORBIDDEN, "http_request_denied",
        "The request was sent by a page in a browser, or to a name that is not this server's.";
    /// An address gave the admin side too many wrong tokens.
    TooManyAttempts = "too_many_attempts", TOO_MANY_REQUESTS, "http_request_denied",
        "There were too many wrong tokens from this address.";
    /// The client did not read its answer within `--write-timeout`.
    WriteTimeout = "write_timeout", REQUEST_TIMEOUT, "connection_write_timeout",
        "The client did not read the answer in time.";
    /// The client went away before the answer ended.
    ClientGone = "client_gone", BAD_REQUEST, "connection_terminated",
        "The client went away.";
}

impl Reason {
    /// Its place in the table.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Whether to tell the client to come back, and in how many seconds (`Retry-After`, RFC 9110 §10.2.3)
    /// where nothing better is known.
    pub const fn retry_after_s(self) -> Option<u32> {
        match self {
            Self::RateLimited
            | Self::QueueFull
            | Self::QueueTimeout
            | Self::PoolExhausted
            | Self::TooManyConnections => Some(1),
            Self::TooManyAttempts => Some(60),
            Self::TooManyStreams | Self::MemoryPressure | Self::Draining | Self::Paused => Some(5),
            Self::NoRoute
            | Self::BadRequest
            | Self::NotImplemented
            | Self::UriTooLong
            | Self::HeadersTooLarge
            | Self::BodyTooLarge
            | Self::BodyTimeout
            | Self::HostPanic
            | Self::ExecutorLost
            | Self::InstanceLost
            | Self::InstantiationFailed
            | Self::GuestTrap
            | Self::GuestExit
            | Self::GuestError
            | Self::GuestNoResponse
            | Self::GuestBadResponse
            | Self::MemoryLimit
            | Self::HostcallLimit
            | Self::HandleLimit
            | Self::FieldsLimit
            | Self::GuestTimeout
            | Self::CpuLimit
            | Self::FuelExhausted
            | Self::Killed
            | Self::PostReturnTimeout
            | Self::BodyMismatch
            | Self::BodyUnfinished
            | Self::NotFound
            | Self::NoSuchJob
            | Self::MethodNotAllowed
            | Self::Unauthorized
            | Self::Forbidden
            | Self::WriteTimeout
            | Self::ClientGone => None,
        }
    }

    /// Whether the handler is to blame: the measure of a version that is tried.
    pub const fn blames_handler(self) -> bool {
        match self {
            Self::InstantiationFailed
            | Self::GuestTrap
            | Self::GuestExit
            | Self::GuestError
            | Self::GuestNoResponse
            | Self::GuestBadResponse
            | Self::MemoryLimit
            | Self::HostcallLimit
            | Self::HandleLimit
            | Self::FieldsLimit
            | Self::GuestTimeout
            | Self::CpuLimit
            | Self::FuelExhausted
            | Self::PostReturnTimeout
            | Self::BodyMismatch
            | Self::BodyUnfinished => true,
            Self::NoRoute
            | Self::BadRequest
            | Self::NotImplemented
            | Self::UriTooLong
            | Self::HeadersTooLarge
            | Self::BodyTooLarge
            | Self::BodyTimeout
            | Self::RateLimited
            | Self::QueueFull
            | Self::QueueTimeout
            | Self::PoolExhausted
            | Self::TooManyStreams
            | Self::TooManyConnections
            | Self::MemoryPressure
            | Self::Draining
            | Self::Paused
            | Self::HostPanic
            | Self::ExecutorLost
            | Self::InstanceLost
            | Self::Killed
            | Self::NotFound
            | Self::NoSuchJob
            | Self::MethodNotAllowed
            | Self::Unauthorized
            | Self::Forbidden
            | Self::TooManyAttempts
            | Self::WriteTimeout
            | Self::ClientGone => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_table_is_in_order() {
        for (place, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(reason.index(), place);
        }
    }

    #[test]
    fn every_label_is_its_own_and_snake_case() {
        let labels: HashSet<_> = Reason::ALL.iter().map(|reason| reason.label()).collect();
        assert_eq!(labels.len(), Reason::ALL.len());
        for label in labels {
            assert!(label.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{label}");
        }
    }

    #[test]
    fn every_answer_is_an_error_and_only_429_and_503_say_when_to_retry() {
        for reason in Reason::ALL {
            let status = reason.status();
            assert!(status.is_client_error() || status.is_server_error(), "{reason:?}");
            let retries = reason.retry_after_s().is_some();
            let later = [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE];
            assert_eq!(retries, later.contains(&status), "{reason:?}");
        }
    }
}
