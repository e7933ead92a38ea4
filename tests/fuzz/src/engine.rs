//! What the engine in the guest answers to the daemon.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use futures::executor::block_on;

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

/// The list of containers that says what is watched on the host, and what a saved file does.
pub fn containers(data: &[u8]) {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR"));
    for path in coracle_file_events::fuzzing::watched(data, shared).unwrap_or_default() {
        // The guest chooses what it mounts, but not what is shared.
        assert!(path.starts_with(shared), "{}", path.display());
    }
}

/// The container that is to be debugged.
pub fn debugged(data: &[u8]) {
    let paths = block_on(coracle_live_debug::fuzzing::paths(data));
    for path in paths.unwrap_or_default() {
        for text in [&path.local, &path.remote] {
            // gdb, an editor and a shell read them.
            assert!(
                !text.contains(['\n', '"', '\'', '$', '`', ';', '\\']),
                "{text:?}"
            );
        }
    }
}
