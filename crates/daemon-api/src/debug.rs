use std::path::PathBuf;

use serde::{Deserialize, Serialize};

// A client names the runtimes with no other crate.
pub use coracle_guest_api::debug::Runtime;

/// A wish to debug something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DebugRequest {
    /// A container's name or id, or a service of compose or swarm.
    pub target: String,
    /// The process as the container counts; null for the one that does its work.
    #[serde(default)]
    pub pid: Option<u32>,
    /// A folder, absolute, whose `.vscode/launch.json` shall have the configuration.
    #[serde(default)]
    pub write: Option<PathBuf>,
}

/// A debug session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct DebugSession {
    /// Its number.
    pub id: u64,
    /// What was asked for.
    pub target: String,
    /// The container's name.
    pub container: String,
    /// The process as the container counts, when the session began.
    pub pid: u32,
    /// Program and arguments of the process.
    pub command: Vec<String>,
    /// What executes the code.
    pub runtime: Runtime,
    /// Where debuggers connect to: `127.0.0.1:PORT`.
    pub address: String,
    /// Folders of the host and where they are in the container.
    pub paths: Vec<DebugPath>,
    /// The entry for VS Code's `launch.json`.
    pub configuration: serde_json::Value,
    /// What makes debugging worse than it could be; null when nothing does.
    pub note: Option<String>,
    /// Whether it was there before it was asked for.
    pub existing: bool,
    /// The file that has the configuration now; null when none was asked for.
    pub written: Option<PathBuf>,
}

/// A folder on both sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct DebugPath {
    /// On the host.
    pub local: String,
    /// In the container.
    pub remote: String,
}

/// A wish to end sessions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DebugStop {
    /// The number of a session, a container or a service.
    pub which: String,
}
