//! What the engine in the guest answers to the daemon.

use std::net::{IpAddr, Ipv4Addr};

/// The answer to `GET /services`, a line feed, that to `GET /info`.
pub fn services(data: &[u8]) {
    let mut parts = data.splitn(2, |byte| *byte == b'\n');
    let services = parts.next().unwrap_or_default();
    let info = parts.next().unwrap_or_default();
    let (ports, _) = coracle_port_forward::fuzzing::services(services, info);
    for port in ports.unwrap_or_default() {
        // The guest chooses a number, neither the host's address nor the way in.
        assert!(port.host_ip.is_unspecified());
        assert_eq!(port.container_ip, IpAddr::V4(Ipv4Addr::LOCALHOST));
        assert_ne!(port.host_port, 0);
        assert_eq!(port.host_port, port.container_port);
    }
}
