//! The two configuration files.

use std::fs;
use std::io;

use coracle_guest_api::boot::NetworkConfig;
use serde_json::{Map, Value, json};

use super::{CONTAINERD_SOCKET, SOCKET};
use crate::docker_proxy;

/// dockerd's process id; one that a killed dockerd left would be waited for.
pub(super) const DOCKERD_PID_FILE: &str = "/run/docker.pid";

const DOCKERD_FILE: &str = "/run/coracle/daemon.json";
const CONTAINERD_FILE: &str = "/run/coracle/containerd.toml";

/// dockerd brings its own networks and images: the Kubernetes plugins, the snapshotters of
/// file systems that the guest has not, and tracing would only make the start longer.
const CONTAINERD: &str = r#"version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = [
  "io.containerd.grpc.v1.cri",
  "io.containerd.internal.v1.opt",
  "io.containerd.internal.v1.tracing",
  "io.containerd.nri.v1.nri",
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.blockfile",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
  "io.containerd.tracing.processor.v1.otlp",
]

[grpc]
  address = "{socket}"
"#;

/// Writes containerd's file; its path.
pub(super) fn write_containerd() -> io::Result<&'static str> {
    fs::write(
        CONTAINERD_FILE,
        CONTAINERD.replace("{socket}", CONTAINERD_SOCKET),
    )?;
    Ok(CONTAINERD_FILE)
}

/// Writes dockerd's file; its path.
pub(super) fn write_dockerd(
    asked: &Map<String, Value>,
    network: &NetworkConfig,
) -> io::Result<&'static str> {
    let NetworkConfig::Static { gateway, .. } = network;
    let mut merged = dockerd(asked);
    // What `--add-host name:host-gateway` means.
    merged
        .entry("host-gateway-ip")
        .or_insert_with(|| json!(gateway));
    fs::write(DOCKERD_FILE, serde_json::to_vec_pretty(&merged)?)?;
    Ok(DOCKERD_FILE)
}

/// What the daemon asked for, with what belongs to the guest over it.
fn dockerd(asked: &Map<String, Value>) -> Map<String, Value> {
    let mut merged = asked.clone();
    merged
        .entry("storage-driver")
        .or_insert_with(|| json!("overlay2"));
    let ours = [
        ("containerd", json!(CONTAINERD_SOCKET)),
        ("data-root", json!("/var/lib/docker")),
        ("exec-root", json!("/run/docker")),
        ("hosts", json!([format!("unix://{SOCKET}")])),
        // Swarm does not go with it.
        ("live-restore", json!(false)),
        ("pidfile", json!(DOCKERD_PID_FILE)),
        ("userland-proxy", json!(true)),
        ("userland-proxy-path", json!(docker_proxy::PATH)),
    ];
    for (name, value) in ours {
        merged.insert(name.to_owned(), value);
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guests_part_wins_and_the_rest_is_kept() {
        let asked = json!({"live-restore": true, "debug": true, "hosts": ["tcp://0.0.0.0:2375"], "storage-driver": "vfs"});
        let merged = dockerd(asked.as_object().unwrap());
        assert_eq!(merged["live-restore"], json!(false));
        assert_eq!(merged["hosts"], json!(["unix:///run/docker.sock"]));
        assert_eq!(merged["debug"], json!(true));
        assert_eq!(merged["storage-driver"], json!("vfs"));
        assert_eq!(dockerd(&Map::new())["storage-driver"], json!("overlay2"));
    }
}
