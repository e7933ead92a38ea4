use serde::{Deserialize, Serialize};

/// A snapshot of the VM: memory and data disk of one instant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Snapshot {
    /// Its name, unique among them.
    pub name: String,
    /// When it was taken, in seconds since the Unix epoch; null when it is damaged.
    pub taken_s: Option<u64>,
    /// For how long the VM was paused for it, in milliseconds; null when it is damaged.
    pub pause_ms: Option<u64>,
    /// What its memory takes on the host, in bytes.
    pub memory_bytes: u64,
    /// Why it cannot be restored, if it is damaged; one sentence.
    pub error: Option<String>,
}

/// Which snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotName {
    /// 1 to 64 letters, digits, dots, dashes and underscores, the first a letter or digit.
    pub name: String,
}
