//! What a check is given, and what it says.

use std::pin::Pin;

use behaviours3::wasip3::http::types::Request;
use behaviours3::{Query, query_of};

/// Nothing where the claim holds, else what was found in its place.
pub(crate) type Outcome = Result<(), String>;

/// What a check does.
pub(crate) type Checking = Pin<Box<dyn Future<Output = Outcome>>>;

/// A check by its name.
pub(crate) type Check = (&'static str, fn(Call) -> Checking);

/// The request that asked for a check.
pub(crate) struct Call {
    pub(crate) request: Request,
    pub(crate) query: Query,
}

impl Call {
    pub(crate) fn new(request: Request) -> Self {
        let query = query_of(&request);
        Self { request, query }
    }

    /// The path, without the query.
    pub(crate) fn path(&self) -> String {
        let target = self.request.get_path_with_query().unwrap_or_default();
        target.split('?').next().unwrap_or_default().to_owned()
    }

    /// An authority that the query names.
    ///
    /// # Errors
    /// Where the query has none.
    pub(crate) fn authority(&self, name: &str) -> Result<String, String> {
        self.query.get(name).map(str::to_owned).ok_or_else(|| format!("the query names no {name}"))
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
