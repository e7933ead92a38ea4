use std::path::PathBuf;

use coracle_vm_driver::{HostSupport, VmUsage};
use serde::{Deserialize, Serialize};

use crate::{ApiError, DebugSession, Snapshot};

/// The daemon introduces itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`API_VERSION`](crate::API_VERSION) of the daemon.
    pub api: u32,
    /// Its version.
    pub version: String,
    /// Its process id.
    pub pid: u32,
}

/// Everything about this Coracle at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Status {
    /// The VM.
    pub vm: VmStatus,
    /// The engine in it.
    pub engine: EngineStatus,
    /// What the driver found on the host; null until the first start has looked.
    pub host: Option<HostSupport>,
    /// Versions of the parts.
    pub versions: Versions,
    /// Published ports, wanted and actual.
    pub ports: Vec<PortStatus>,
    /// Shared folders.
    pub shares: Vec<ShareStatus>,
    /// Why it works less well than it should, one sentence each; empty is healthy.
    pub degraded: Vec<String>,
    /// Docker's socket.
    pub engine_socket: PathBuf,
    /// The state folder.
    pub home: PathBuf,
}

/// A line of [`EVENTS`](crate::paths::EVENTS): the status, and the lists that clients would else read again. Who reads
/// a [`Status`] from it understands it too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DaemonNews {
    /// What is known without asking VM or engine.
    #[serde(flatten)]
    pub status: Status,
    /// The snapshots, the oldest first.
    #[serde(default)]
    pub snapshots: Vec<Snapshot>,
    /// The debug sessions, the oldest first.
    #[serde(default)]
    pub debug_sessions: Vec<DebugSession>,
}

/// States of the VM's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum VmState {
    /// No VM.
    Stopped,
    /// No VM, but its memory on the disk: a start continues it.
    Suspended,
    /// From the start of the hypervisor until the agent's hello.
    Booting,
    /// The agent is there, the engine is not ready yet.
    EngineStarting,
    /// The engine answers.
    Running,
    /// On its way down.
    Stopping,
    /// It ended by itself too often and waits for a person.
    Failed,
}

/// The VM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct VmStatus {
    /// Where in its life.
    pub state: VmState,
    /// Whether it runs and is paused because nobody uses it: whatever it is asked for wakes it.
    #[serde(default)]
    pub asleep: bool,
    /// Virtual CPUs.
    pub cpus: u32,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Size of the data disk in bytes, as the guest sees it.
    pub disk_bytes: u64,
    /// What the data disk's file takes on the host, in bytes.
    pub disk_used_bytes: u64,
    /// What the VM takes from the host; null when there is none.
    pub usage: Option<VmUsage>,
    /// What it takes of the processors now, in percent of one; null when it stands still or nobody has looked yet.
    #[serde(default)]
    pub cpu_percent: Option<u64>,
    /// Seconds since the guest booted; null when there is none.
    pub uptime_s: Option<u64>,
    /// How often it ended by itself and was started again since `start`.
    pub restarts: u32,
    /// Why it failed last, if it did.
    pub last_error: Option<ApiError>,
    /// Why a stop would shut it down, which ends its containers, one sentence; null where a stop suspends it, and
    /// where there is nothing to suspend.
    #[serde(default)]
    pub cannot_suspend: Option<String>,
    /// Keys of the settings that have changed since it was started and that it takes up at its next start.
    #[serde(default)]
    pub changed_settings: Vec<String>,
}

/// The engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct EngineStatus {
    /// Whether its API answers.
    pub ready: bool,
    /// What it says when it is not, with the reason.
    pub note: Option<String>,
}

/// Something has happened in the engine: lists of it may be old.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineNews {
    /// How often so far; the line with 0 says that nothing is missed from now on.
    pub count: u64,
}

/// Versions of the parts; null for what is not running.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Versions {
    /// The daemon's.
    pub coracle: String,
    /// The VM image's.
    pub image: Option<String>,
    /// The guest agent's.
    pub agent: Option<String>,
    /// The guest kernel's release.
    pub kernel: Option<String>,
    /// The Docker engine's.
    pub engine: Option<String>,
}

/// One published port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct PortStatus {
    /// `tcp` or `udp`.
    pub protocol: String,
    /// Address and port on the host, as `0.0.0.0:8080`.
    pub host: String,
    /// Address and port of the container.
    pub container: String,
    /// Null when the host listens, else why not.
    pub error: Option<String>,
}

/// One shared folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct ShareStatus {
    /// The folder, the same on host and guest.
    pub path: PathBuf,
    /// Whether the guest has it mounted.
    pub mounted: bool,
}

/// Sizes for this and the next starts; None leaves the setting as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartOptions {
    /// Virtual CPUs.
    pub cpus: Option<u32>,
    /// Memory in MiB.
    pub memory_mib: Option<u64>,
    /// Size of the data disk in GiB; it can only grow.
    pub disk_gib: Option<u64>,
}

/// How to stop.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopOptions {
    /// Whether the daemon ends too.
    pub quit: bool,
    /// Whether the engine and the VM shut down in order, instead of being suspended.
    #[serde(default)]
    pub shutdown: bool,
    /// Whether it is refused where the VM cannot be suspended, instead of being a shutdown.
    #[serde(default)]
    pub suspend_only: bool,
}

/// Where a long action is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// The host is looked at, the image is checked.
    Checking,
    /// Disks and shares are made ready.
    Preparing,
    /// The guest boots.
    Booting,
    /// The engine comes up.
    Engine,
    /// The engine and the guest go down.
    Stopping,
    /// The memory is saved.
    Suspending,
    /// The memory is loaded.
    Resuming,
    /// A snapshot is worked on.
    Snapshot,
}

/// A line of a long action's answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "progress")]
pub enum Progress {
    /// It is here now.
    Stage {
        /// Where.
        stage: Stage,
        /// A few words for the person.
        message: String,
    },
    /// It is done.
    Done {
        /// The status after it.
        status: Box<Status>,
    },
    /// It failed.
    Failed {
        /// Why.
        error: ApiError,
    },
}
