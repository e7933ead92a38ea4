//! The engine socket: Docker's API from the host to the engine in the guest.
//!
//! [`serve`] answers on a Unix socket as the engine would. Each client's requests travel on
//! engine streams of its own ([`engine`], [`exchange`]), bodies stream both ways, and an upgraded connection
//! (attach, exec, BuildKit's `/session` and `/grpc`) becomes a pair of half-closable byte
//! streams ([`connection`]). Only the requests that can name a bind mount are read whole
//! and checked ([`mounts`]), where a container's ports get their address ([`ports`]), and the one that makes a
//! swarm ([`swarm`]).
//!
//! A client gets an answer in every state of the engine: what this end has to say itself is
//! said in Docker's own JSON form ([`answer`]).
//!
//! Known difference from a native engine: a hijack without the `Upgrade` header is answered
//! as an ordinary streamed response, so its output arrives, but it has no way in for stdin.
//! The docker CLI, compose, and the SDKs send the header.

mod access;
mod answer;
mod checked;
mod connection;
mod engine;
mod exchange;
#[doc(hidden)]
pub mod fuzzing;
mod headers;
mod listen;
mod mounts;
mod ports;
mod swarm;

pub use access::EngineAccess;
pub use listen::serve;
pub use mounts::MountPolicy;

#[cfg(test)]
mod tests;
