//! Which keys of `daemon.json` are the person's.

use serde_json::Value;

/// The guest agent sets these, or the way to the host depends on them.
const OWNED: &[&str] = &[
    "containerd",
    "containerd-namespace",
    "containerd-plugin-namespace",
    "data-root",
    "exec-root",
    "group",
    "hosts",
    "live-restore",
    "log-level",
    "pidfile",
    "tls",
    "tlscacert",
    "tlscert",
    "tlskey",
    "tlsverify",
    "userland-proxy",
    "userland-proxy-path",
];

/// Refuses what is no object and what would take from the guest what it owns.
pub(super) fn check(value: &Value) -> Result<(), String> {
    let config = value
        .as_object()
        .ok_or_else(|| format!("must be a JSON object, not {value}"))?;
    match OWNED.iter().find(|key| config.contains_key(**key)) {
        Some(key) => Err(format!(
            "sets {key}, which belongs to the VM: take that key out"
        )),
        None => Ok(()),
    }
}
