//! The sandbox: what a guest is, what it may use and how it is called. Together with
//! [`crate::capabilities`] the only place that names wasmtime.

mod answer;
mod body;
mod bounds;
mod budget;
mod component;
mod engine;
mod handler;
mod invoke;
mod limiter;
mod linker;
mod maps;
mod response;
mod shape;
mod state;
mod trap;

pub use answer::GuestHead;
pub use body::{BodyError, ResponseBody, Unfinished};
pub use budget::Budget;
pub use engine::{Sandbox, SandboxError};
pub use handler::{Handler, HandlerSettings};
pub use invoke::invoke;
