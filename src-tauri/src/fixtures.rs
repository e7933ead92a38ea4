//! What tests begin with.

use coracle_daemon_api::{Snapshot, Status};
use serde_json::json;

use crate::view::{Link, View};

/// The status of a daemon whose VM is in a state.
pub(crate) fn status(state: &str) -> Status {
    serde_json::from_value(json!({
        "vm": {
            "state": state, "asleep": false, "cpus": 2, "memory_mib": 3072, "disk_bytes": 0,
            "disk_used_bytes": 0, "usage": null, "uptime_s": null, "restarts": 0, "last_error": null,
        },
        "engine": { "ready": state == "running", "note": null },
        "host": null,
        "versions": {
            "coracle": "0.1.0", "image": null, "agent": null, "kernel": null, "engine": null,
        },
        "ports": [], "shares": [], "degraded": [],
        "engine_socket": "/h/run/docker.sock", "home": "/h",
    }))
    .expect("a status")
}

/// A VM that runs, with nothing in it.
pub(crate) fn running() -> View {
    View {
        daemon: Link::Connected,
        status: Some(status("running")),
        containers: Some(Vec::new()),
        ..View::default()
    }
}

/// A snapshot that can be restored.
pub(crate) fn snapshot(name: &str) -> Snapshot {
    Snapshot {
        name: name.into(),
        taken_s: Some(1_700_000_000),
        pause_ms: Some(900),
        memory_bytes: 1 << 30,
        error: None,
    }
}
