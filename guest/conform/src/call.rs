//! What a check is given, and what it says.

use behaviours::wasip2::http::types::IncomingRequest;
use behaviours::{Query, query_of};

/// Nothing where the claim holds, else what was found in its place.
pub(crate) type Outcome = Result<(), String>;

/// The request that asked for a check.
pub(crate) struct Call {
    pub(crate) request: IncomingRequest,
    pub(crate) query: Query,
}

impl Call {
    pub(crate) fn new(request: IncomingRequest) -> Self {
        let query = query_of(&request);
        Self { request, query }
    }

    /// The path, without the query.
    pub(crate) fn path(&self) -> String {
        let target = self.request.path_with_query().unwrap_or_default();
        target.split('?').next().unwrap_or_default().to_owned()
    }

    /// An authority that the query names.
    ///
    /// # Errors
    /// Where the query has none.
    pub(crate) fn authority(&self, name: &str) -> Result<&str, String> {
        self.query.get(name).ok_or_else(|| format!("the query names no {name}"))
    }
}

/// Fails with what is said where a condition does not hold.
#[macro_export]
macro_rules! ensure {
    ($holds:expr, $($said:tt)+) => {
        if !$holds {
            return Err(format!($($said)+));
        }
    };
}
