//! The first words of both ends.

use serde::{Deserialize, Serialize};

/// From the daemon, inside the [`preamble`](crate::preamble).
#[derive(Clone, Serialize, Deserialize)]
pub struct Hello {
    /// [`PROTOCOL_VERSION`](crate::PROTOCOL_VERSION) of the daemon.
    pub protocol: u32,
    /// The secret of this boot, as in [`BootConfig::secret`](crate::BootConfig).
    /// An agent answers no one who does not know it.
    pub secret: String,
    /// The host's time in nanoseconds since the Unix epoch; the agent sets its clock.
    pub unix_ns: u64,
    /// Version of the daemon, for logs.
    pub daemon_version: String,
}

impl std::fmt::Debug for Hello {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hello")
            .field("protocol", &self.protocol)
            .field("daemon_version", &self.daemon_version)
            .finish_non_exhaustive()
    }
}

/// From the agent, inside the preamble.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HelloReply {
    /// [`PROTOCOL_VERSION`](crate::PROTOCOL_VERSION) of the agent.
    pub protocol: u32,
    /// Version of the agent.
    pub agent_version: String,
    /// Release of the guest's kernel (`uname -r`).
    pub kernel: String,
    /// What this agent can do beyond the protocol's basis.
    pub capabilities: Vec<String>,
}
