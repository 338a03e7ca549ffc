//! Which handler a request is for: patterns of hosts, paths and methods, and the immutable table that
//! finds the most specific one. Knows nothing of what it leads to; a leaf that settings and serving share.

mod host;
mod methods;
mod path;
mod readings;
mod route;
mod table;
mod tree;

pub use host::HostPattern;
pub use methods::Methods;
pub use path::PathPattern;
pub use route::{Route, RouteError};
pub use table::{Conflict, Found, Miss, RouteTable};
