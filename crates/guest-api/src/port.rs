//! A published port, as dockerd asks its userland proxy for it.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// Transport protocol of a published port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP; known by name so that it can be refused by name.
    Sctp,
}

impl std::fmt::Display for Protocol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        })
    }
}

/// "Listen here on the host and bring it to this container."
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PortRequest {
    /// Transport protocol.
    pub protocol: Protocol,
    /// Address on the host; unspecified (`0.0.0.0`, `::`) for all.
    pub host_ip: IpAddr,
    /// Port on the host; never 0, the engine has chosen it.
    pub host_port: u16,
    /// The container's address in the guest.
    pub container_ip: IpAddr,
    /// The container's port.
    pub container_port: u16,
}
