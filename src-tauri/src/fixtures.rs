//! What tests begin with.

use coracle_daemon_api::{DebugSession, Snapshot, Status};
use serde_json::json;

use crate::view::{Debugged, Link, View};

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

/// A session of Node in a container, as begun by its name.
pub(crate) fn debugged(container: &str) -> Debugged {
    let session: DebugSession = serde_json::from_value(json!({
        "id": 1, "target": container, "container": container, "pid": 7, "command": ["node", "server.js"],
        "runtime": "node", "address": "127.0.0.1:9229", "paths": [], "configuration": {}, "note": null,
        "existing": true, "written": null,
    }))
    .expect("a session");
    session.into()
}
