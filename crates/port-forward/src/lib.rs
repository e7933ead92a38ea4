//! Published ports: wanted against actual, and the listeners.
//!
//! The guest asks for a port by a [lease](Forwarder::lease), a stream that it holds for as
//! long as the container runs; the ports of [swarm services](Forwarder::follow_services) are
//! asked for by what the engine says. The [`table`] says which ports are wanted by whom and needs no
//! IO; [`bind`] makes the sockets and the sentence when it cannot; [`tcp`] and [`udp`] carry
//! what arrives to the container, a stream of the guest per connection or client.
//!
//! A port is one listener however many want it. When the last source lets go, the socket is
//! closed at once and its connections are cut, as docker-proxy does when a container stops.

mod bind;
mod forwarder;
#[doc(hidden)]
pub mod fuzzing;
mod lease;
mod placing;
mod platform;
mod slot;
mod swarm;
mod table;
mod tcp;
mod udp;

pub use forwarder::Forwarder;
pub use table::PortEntry;

#[cfg(test)]
mod tests;
