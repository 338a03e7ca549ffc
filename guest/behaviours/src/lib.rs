//! What the behaviours share: reading a query, answering, streaming a body.
//!
//! A behaviour is one file in `examples/`, which says in its first lines what it does and which
//! claim about the host it is there for. It calls [`export!`] with its handler and keeps only what
//! makes it special.

pub mod answer;
pub mod body;
pub mod outgoing;

pub use wasip2;
pub use wasip2::exports::http::incoming_handler::Guest;

pub use answer::{OpenResponse, answer, open};
pub use query::Query;

/// The query that `request` was sent with, which may be none.
pub fn query_of(request: &wasip2::http::types::IncomingRequest) -> Query {
    Query::parse(&request.path_with_query().unwrap_or_default())
}

/// What every behaviour needs.
pub mod prelude {
    pub use std::io::Write as _;

    pub use wasip2::http::types::{
        Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
    };

    pub use crate::{OpenResponse, Query, answer, open, query_of};
}

/// Makes `$handle`, a `fn(IncomingRequest, ResponseOutparam)`, the component's handler.
#[macro_export]
macro_rules! export {
    ($handle:path) => {
        struct Behaviour;

        $crate::wasip2::http::proxy::export!(Behaviour);

        impl $crate::Guest for Behaviour {
            fn handle(
                request: $crate::wasip2::http::types::IncomingRequest,
                out: $crate::wasip2::http::types::ResponseOutparam,
            ) {
                $handle(request, out)
            }
        }
    };
}
