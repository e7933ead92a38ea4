use serde::{Deserialize, Serialize};

use crate::memory::Record;

const VERSION: u32 = 1;

/// What is known of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    version: u32,
    /// In seconds since the Unix epoch.
    pub(crate) taken_s: u64,
    pub(crate) pause_ms: u64,
    /// Under which the data disk's layer keeps the state of then.
    pub(crate) tag: String,
    /// Of its memory.
    pub(crate) record: Record,
}

impl Entry {
    pub(crate) fn new(taken_s: u64, pause_ms: u64, tag: String, record: Record) -> Self {
        Self {
            version: VERSION,
            taken_s,
            pause_ms,
            tag,
            record,
        }
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, String> {
        let entry: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        match entry.version {
            VERSION => Ok(entry),
            other => Err(format!("its form is {other}")),
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).expect("an entry is plain data")
    }
}
