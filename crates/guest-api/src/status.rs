//! What the agent says of the guest.

use serde::{Deserialize, Serialize};

/// The guest at one moment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AgentStatus {
    /// State of containerd and dockerd together.
    pub engine: EngineState,
    /// The engine's last words when it did not come up with its configuration, and was
    /// given [the one before](crate::BootConfig::engine_before).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine_refused: Option<String>,
    /// What keeps the guest from being whole, one sentence each.
    pub degraded: Vec<String>,
    /// Version of the image, from its manifest.
    pub image_version: String,
    /// Time since boot, in milliseconds.
    pub uptime_ms: u64,
    /// Memory of the guest, in bytes.
    pub memory_total: u64,
    /// Memory available to new programs, in bytes.
    pub memory_available: u64,
    /// Size of the data disk's file system, in bytes.
    pub data_total: u64,
    /// Used part of it, in bytes.
    pub data_used: u64,
    /// What has gone over the guest's network interface since boot, both ways, in bytes.
    pub network_bytes: u64,
    /// Shares that are mounted, by path.
    pub shares: Vec<String>,
}

/// The engine's life in the guest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum EngineState {
    /// On its way up.
    Starting,
    /// Its API answers `/_ping`.
    Ready,
    /// It ended and will be started again.
    Restarting {
        /// How often it ended since boot.
        exits: u32,
        /// Why, with the last lines of its log.
        reason: String,
    },
    /// The agent shuts it down.
    Stopping,
}

/// Sent on the [`Events`](crate::StreamHeader::Events) stream, the current state first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum AgentEvent {
    /// The engine changed state.
    Engine(EngineState),
    /// The list of degradations changed; the whole list.
    Degraded {
        /// One sentence each.
        reasons: Vec<String>,
    },
}
