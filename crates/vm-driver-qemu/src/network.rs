//! The guest's network: QEMU's user-mode one, which needs no rights on the host.
//!
//! Not QEMU's own 10.0.2.0/24: swarm's overlay networks are taken from 10.0.0.0/8 from its
//! beginning, and the second one would hide the gateway and the resolver from its containers.

use std::net::Ipv4Addr;

use coracle_guest_api::boot::NetworkConfig;

const PREFIX: u8 = 24;
const NETWORK: Ipv4Addr = Ipv4Addr::new(192, 168, 65, 0);
const GUEST: Ipv4Addr = Ipv4Addr::new(192, 168, 65, 15);
/// The host's loopback.
const HOST: Ipv4Addr = Ipv4Addr::new(192, 168, 65, 2);
/// Leads to the first of the host's name servers.
const DNS: Ipv4Addr = Ipv4Addr::new(192, 168, 65, 3);

/// The value of `-netdev`.
pub(crate) fn netdev(id: &str) -> String {
    format!("user,id={id},ipv6=off,net={NETWORK}/{PREFIX},host={HOST},dns={DNS}")
}

/// What the guest is told of it.
pub(crate) fn guest_network() -> NetworkConfig {
    NetworkConfig::Static {
        address: GUEST,
        prefix: PREFIX,
        gateway: HOST,
        dns: vec![DNS],
    }
}
