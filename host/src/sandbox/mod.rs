//! The sandbox: what a guest is, what it may use and how it is called. Together with
//! [`crate::capabilities`] the only place that names wasmtime.

mod answer;
mod body;
mod bounds;
mod bounds3;
mod budget;
mod client;
mod code;
mod compiler;
mod component;
mod compose;
mod counts;
mod deserialize;
mod engine;
mod error_code;
mod handler;
mod instance;
mod invoke;
mod layout;
mod limiter;
mod linker;
mod maps;
mod nesting;
#[cfg(test)]
mod offered;
mod p2;
mod p3;
mod passage;
mod relay;
mod response;
mod room;
mod session;
mod shape;
mod shared;
mod shelf;
mod spare;
mod state;
mod steps;
mod trap;
mod trial;
mod world;

pub use answer::GuestHead;
pub use body::{BodyError, ResponseBody, Unfinished};
pub use budget::Budget;
#[cfg(test)]
pub(crate) use budget::burn;
pub use compiler::{COMPILE_WORD, Compiler, compile_as_ordered};
pub use component::{Checked, LoadError, read_component};
pub use compose::{ComposeError, Part, compose};
pub use engine::{Needs, Sandbox};
pub use handler::{Handler, HandlerSettings};
pub use instance::LARGE_INSTANCE_BYTES;
pub use invoke::invoke;
pub use layout::SandboxError;
pub use shape::Shape;
pub use shared::{Work, share};
pub use spare::Spare;
pub use steps::Stepped;
pub use trial::try_instance;
