//! Debug sessions: a port on the host's loopback for a process in a container.
//!
//! [`Sessions`] holds them. A session listens for debuggers ([`access`] says whose connections are taken)
//! and brings each to the process by a stream of the guest; which process that is, is asked anew for
//! each, so that a session outlives the process it began with, but not the container. [`Guests`](coracle_guest_api::mux::Guests) says which guest
//! that is: debuggers stay connected while the VM is suspended.
//!
//! [`editor`] writes the configuration that editors start a debugger with.

mod access;
mod clients;
mod container;
pub mod editor;
mod engine;
mod error;
#[cfg(test)]
mod fake;
pub mod fuzzing;
mod platform;
mod sessions;
mod sources;

pub use engine::{Engine, EngineAnswer};
pub use error::{DebugError, DebugErrorKind};
pub use sessions::{Session, Sessions, Wish};
pub use sources::PathMap;
