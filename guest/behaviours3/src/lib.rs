//! What the behaviours for WASI 0.3 share: reading a query, answering, streaming a body.
//!
//! A behaviour is one file in `examples/`, which says in its first lines what it does and which
//! claim about the host it is there for. It calls [`export!`] with its handler and keeps only what
//! makes it special.

pub mod answer;

pub use wasip3;
pub use wasip3::exports::http::handler::Guest;

pub use answer::{Body, answer, open};
pub use query::Query;

/// The query that `request` was sent with, which may be none.
pub fn query_of(request: &wasip3::http::types::Request) -> Query {
    Query::parse(&request.get_path_with_query().unwrap_or_default())
}

/// What every behaviour needs.
pub mod prelude {
    pub use wasip3::http::types::{ErrorCode, Fields, Request, Response, Trailers};
    pub use wasip3::wit_bindgen::spawn_local;
    pub use wasip3::{wit_future, wit_stream};

    pub use crate::{Body, Query, answer, open, query_of};
}

/// Makes `$handle`, an `async fn(Request) -> Result<Response, ErrorCode>`, the component's handler.
#[macro_export]
macro_rules! export {
    ($handle:path) => {
        struct Behaviour;

        $crate::wasip3::http::service::export!(Behaviour);

        impl $crate::Guest for Behaviour {
            async fn handle(
                request: $crate::wasip3::http::types::Request,
            ) -> Result<$crate::wasip3::http::types::Response, $crate::wasip3::http::types::ErrorCode> {
                $handle(request).await
            }
        }
    };
}
