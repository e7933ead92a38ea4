use serde::{Deserialize, Serialize};

/// What the VM took from the host before a reclaim and after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reclaimed {
    /// Resident memory of the VM and its helpers.
    pub memory: Taken,
    /// What the data disk's file takes.
    pub disk: Taken,
}

/// A quantity in bytes, measured on the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// Before.
    pub before_bytes: u64,
    /// After.
    pub after_bytes: u64,
}

impl Taken {
    /// What has come back, in bytes; 0 when it has grown meanwhile.
    pub fn came_back(&self) -> u64 {
        self.before_bytes.saturating_sub(self.after_bytes)
    }
}
