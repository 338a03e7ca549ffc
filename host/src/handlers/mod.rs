//! The handlers that are served: each one loaded and on its terms, and the table that requests are led by.
//! A change makes a new table and swaps it for the old one; requests that were led before go on with what
//! they were led to.

mod catalog;
mod deployed;
mod keeper;
mod load;
mod reload;
mod start;
mod tuner;

pub use catalog::{Catalog, Defined, Overlap, Served};
pub use deployed::{Answers, Deployed, Identity, Trial};
pub use keeper::Keeper;
pub use load::{Component, Supplier, SupplyError, Unloaded, load, load_one};
pub use reload::{Change, reload};
pub use start::{StartError, Started, start};
pub use tuner::tune;
