use std::path::Path;
use std::time::UNIX_EPOCH;
use std::{fs, io};

use coracle_guest_api::preamble::NONCE;
use serde::{Deserialize, Serialize};

use crate::platform;

/// Marks the transport's next preamble.
pub(crate) type Token = [u8; NONCE];

pub(super) const VERSION: u32 = 1;

/// What is known of saved memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    pub(super) version: u32,
    pub(super) fit: Fit,
    /// For the first words with the agent.
    pub(super) token: Token,
    /// Whether the agent must be called back first: it was not told to wait.
    #[serde(default)]
    pub(super) recall: bool,
    pub(super) disk: DiskStamp,
    /// Length of the file.
    pub(super) bytes: u64,
    /// How much of it, from its beginning, the driver itself checks for damage.
    pub(super) checked_bytes: u64,
    /// Of the rest.
    pub(super) checksum: u32,
}

/// How the first words with an agent go that comes from a memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Greeting {
    pub(crate) token: Token,
    /// It was saved in the middle of a conversation.
    pub(crate) recall: bool,
}

/// What a VM must be like to take the memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fit {
    /// Name and version of the hypervisor.
    pub(crate) hypervisor: String,
    /// The accelerator.
    pub(crate) accelerator: String,
    /// The image's identity.
    pub(crate) image: String,
    pub(crate) cpus: u32,
    pub(crate) memory_mib: u64,
    /// The size of the data disk that was wished for, which may be smaller than it is.
    #[serde(default = "any_size")]
    pub(crate) disk_gib: u64,
    /// Everything else about the machine, as the driver tells it.
    pub(crate) machine: String,
}

/// A state of a disk's file: every write changes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DiskStamp {
    file: u64,
    bytes: u64,
    /// Time of the last write since the Unix epoch.
    written_ns: u64,
}

/// Of a record from before this was kept.
fn any_size() -> u64 {
    u64::MAX
}

impl Record {
    pub(crate) fn greeting(&self) -> Greeting {
        Greeting {
            token: self.token,
            recall: self.recall,
        }
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, String> {
        let record: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        match record.version {
            VERSION => Ok(record),
            other => Err(format!("it has version {other}")),
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).expect("a record is plain data")
    }

    /// Why the memory does not fit a VM like this, in the words of a clause.
    pub(crate) fn misfit(&self, now: &Fit) -> Option<String> {
        let then = &self.fit;
        let differ = |what: &str, then: &dyn std::fmt::Display, now: &dyn std::fmt::Display| {
            Some(format!("{what} is {now} now, and it was saved with {then}"))
        };
        if then.hypervisor != now.hypervisor {
            differ("the hypervisor", &then.hypervisor, &now.hypervisor)
        } else if then.accelerator != now.accelerator {
            differ("the accelerator", &then.accelerator, &now.accelerator)
        } else if then.image != now.image {
            Some("the VM image is another one".into())
        } else if then.cpus != now.cpus {
            differ("the number of CPUs", &then.cpus, &now.cpus)
        } else if then.memory_mib != now.memory_mib {
            differ(
                "the size of the memory in MiB",
                &then.memory_mib,
                &now.memory_mib,
            )
        } else if then.disk_gib < now.disk_gib {
            Some("the data disk is to grow".into())
        } else if then.machine != now.machine {
            Some("the machine has another shape now (shared folders, virtiofsd)".into())
        } else {
            None
        }
    }
}

impl DiskStamp {
    pub(crate) fn of(disk: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(disk)?;
        let written = metadata.modified()?.duration_since(UNIX_EPOCH);
        Ok(Self {
            file: platform::file_identity(&metadata),
            bytes: metadata.len(),
            written_ns: written.map_or(0, |since| since.as_nanos() as u64),
        })
    }
}
