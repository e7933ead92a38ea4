//! The protocol between the host daemon and the guest agent.
//!
//! The driver gives one ordered byte stream per VM. On it the two ends first
//! agree by a [`preamble`] (magic, nonce, [`Hello`] with the secret), then
//! multiplex streams over it ([`mux`]: credit, FIN that is not a close, reset).
//!
//! Each stream begins with one [`StreamHeader`] message from the end that opened
//! it and one [`StreamReply`] from the other; what follows depends on the header
//! and is written at its variant. Messages are JSON behind a length
//! ([`message`]); terminals use the binary frames of [`exec`], datagrams those of
//! [`datagram`], changes of shared folders those of [`file_events`], debuggers those of [`resumable`].
//!
//! Neither end trusts the other: each length is bounded before memory is taken
//! for it, and every decoder returns an error instead of panicking.

pub mod boot;
pub mod datagram;
pub mod debug;
pub mod exec;
pub mod file_events;
pub mod hello;
pub mod message;
pub mod mux;
pub mod port;
pub mod preamble;
pub mod relay;
pub mod resolve;
pub mod resumable;
pub mod status;
pub mod stream;

pub use boot::BootConfig;
pub use hello::{Hello, HelloReply};
pub use stream::{AgentError, AgentErrorCode, StreamHeader, StreamReply};

/// Version of everything in this crate. Both ends send theirs in the hello and
/// the daemon refuses an agent of another version with a message that says so.
pub const PROTOCOL_VERSION: u32 = 2;

/// Name of the virtio-serial port (and, later, of the vsock service) that carries the
/// transport.
pub const TRANSPORT_NAME: &str = "org.coracle.transport";

/// Serial number of the root file system's disk (squashfs, read-only).
pub const ROOT_DISK: &str = "root";

/// Serial number of the disk that carries the [`BootConfig`] (raw, read-only).
pub const CONFIG_DISK: &str = "config";

/// Serial number of the data disk (engine state; ext4, made by the agent).
pub const DATA_DISK: &str = "data";
