//! Debugging a process of a container.

use serde::{Deserialize, Serialize};

/// A debugger and what it debugs, wherever their bytes go. Nobody guesses it.
pub type SessionToken = [u8; 16];

/// Which process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DebugTarget {
    /// The container's id, in full.
    pub container: String,
    /// The container's first process, as the guest counts.
    pub init: u32,
    /// The process as the container counts; none for the one that does the container's work.
    pub process: Option<u32>,
}

/// What executes the code, and so what debugs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Runtime {
    /// Machine code: GDB's remote protocol.
    Native,
    /// Node.js: the inspector's HTTP and WebSocket.
    Node,
    /// CPython: the debug adapter protocol, spoken by debugpy.
    Python,
}

/// The process that a debug stream leads to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DebugProcess {
    /// Its id as the container counts.
    pub pid: u32,
    /// What executes it.
    pub runtime: Runtime,
    /// Path of its program in the container.
    pub program: String,
    /// Its working folder in the container.
    pub folder: String,
    /// Program and arguments.
    pub command: Vec<String>,
    /// What will make debugging worse than it could be, in one sentence.
    pub note: Option<String>,
}
