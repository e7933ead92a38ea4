//! What the agent is told before the transport is open.
//!
//! The daemon writes it as JSON to a small raw disk ([`CONFIG_DISK`](crate::CONFIG_DISK)),
//! NUL-padded: unlike the kernel's command line, a container cannot read it.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

/// Everything the agent needs to bring the guest up.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BootConfig {
    /// [`PROTOCOL_VERSION`](crate::PROTOCOL_VERSION) of the daemon that wrote it.
    pub protocol: u32,
    /// Random text which a hello must carry.
    pub secret: String,
    /// Name of the guest, also the engine's node name.
    pub hostname: String,
    /// How the guest reaches the network.
    pub network: NetworkConfig,
    /// Host folders, mounted at the same path as on the host.
    pub shares: Vec<ShareMount>,
    /// How many files of a share the host can have open for the guest, which forgets names
    /// that nobody uses before that.
    pub share_files: u64,
    /// The engine's `daemon.json`, as the daemon has validated it.
    /// The agent adds what belongs to the guest (data root, proxy path).
    pub engine: serde_json::Map<String, serde_json::Value>,
    /// What `engine` was when the engine last came up, where that is another one: taken when
    /// the engine does not come up with `engine`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine_before: Option<serde_json::Map<String, serde_json::Value>>,
    /// Certificate authorities that the engine trusts besides the public ones: PEM text by
    /// registry, as `host` or `host:port`.
    #[serde(default)]
    pub registry_ca: BTreeMap<String, String>,
}

/// How the guest's first network interface is set up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum NetworkConfig {
    /// Addresses known beforehand (QEMU's user-mode network).
    Static {
        /// The guest's address.
        address: Ipv4Addr,
        /// Length of the network's prefix, in bits.
        prefix: u8,
        /// Default route. The host's loopback is reached at this address.
        gateway: Ipv4Addr,
        /// Where the agent's own resolver forwards what it does not ask the daemon for.
        dns: Vec<Ipv4Addr>,
    },
}

/// One shared folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareMount {
    /// The virtiofs tag.
    pub tag: String,
    /// Absolute path, the same on host and guest.
    pub path: String,
    /// Whether the guest may only read.
    pub read_only: bool,
    /// Absolute paths below `path` which the agent covers with an empty read-only mount:
    /// the daemon's own state.
    pub masks: Vec<String>,
}

impl BootConfig {
    /// The bytes of the configuration disk: JSON, NUL-padded to a multiple of 4 KiB.
    pub fn to_disk(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec(self).expect("a boot configuration is plain data");
        bytes.resize(bytes.len().next_multiple_of(4096), 0);
        bytes
    }

    /// Reads what [`to_disk`](Self::to_disk) wrote.
    pub fn from_disk(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
        serde_json::from_slice(&bytes[..end])
    }
}
