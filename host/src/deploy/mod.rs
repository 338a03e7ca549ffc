//! Deployments: handlers that come, change and go while the host serves, each change whole or not at
//! all, and kept across restarts.

pub mod api;
mod canary;
mod core;
mod deployment;
mod deployments;
mod keep;
mod loader;
mod refusal;
mod spec;
mod store;
mod switch;
mod trial;
mod version;
mod view;

pub use self::core::{Base, Done};
pub use canary::{Canary, Judge, NotATester, Picker, Seen, Share, Tester, Verdict};
pub use deployment::{Change, ChangeError, Deployed, Deployment};
pub use deployments::{BeginError, Deployments, From, Held, New, Order, Parts, What};
pub use keep::{FetchError, Fetched, Kept, Supply};
pub use refusal::{Refusal, RefusalReason};
pub use spec::Spec;
pub use store::{COMPONENT_BYTES_MAX, Manifest, Opened, Staged, Store, StoreError};
pub use version::{NotAVersion, Version, VersionId};
