//! What a VM driver must do, and what it may declare.
//!
//! The traits are made for three kinds of hypervisor: a child process (QEMU), a framework whose
//! objects live on one queue (Virtualization.framework) and a system service
//! (Host Compute System). So nothing here names a process or a socket: a driver
//! reports by [`VmEvent`]s, and an ability that not all have is a field of
//! [`Capabilities`], never a method that fails.

mod config;
#[cfg(feature = "fake")]
pub mod fake;
mod snapshot;
mod suspend;

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use coracle_guest_api::boot::NetworkConfig;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

pub use config::{Disk, Share, VmConfig};
pub use snapshot::{Layers, Snapshots, Tags};
pub use suspend::{Resume, Suspend};

/// The byte stream of the transport: ordered, reliable, closed when dropped.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// Makes VMs of one kind.
#[async_trait]
pub trait VmDriver: Send + Sync + 'static {
    /// Short stable name: `qemu`, `vz`, `hyperv`, `fake`.
    fn name(&self) -> &'static str;

    /// Looks at the host: what is installed, and which accelerator truly runs a
    /// guest. May take seconds the first time; the driver remembers the answer.
    async fn probe(&self) -> Result<HostSupport, DriverError>;

    /// The network that this driver gives a guest.
    fn guest_network(&self) -> NetworkConfig;

    /// Waits until no VM uses this file of a disk any more; there need not be one. A VM whose daemon was killed ends
    /// by itself, but some moments later, and until then nothing may be done to its disks. The error says that the
    /// file is still in use.
    async fn await_released(&self, _disk: &Path) -> Result<(), DriverError> {
        Ok(())
    }

    /// Starts a VM. When this returns the guest has begun to boot and the
    /// [`RunningVm::transport`] may be read and written. Whatever it started is
    /// gone again if it fails.
    async fn start(&self, config: &VmConfig) -> Result<RunningVm, DriverError>;

    /// How a VM is continued from saved memory, by a driver that can do so on some host
    /// ([`Capabilities::suspend`] says whether on this one).
    fn resume(&self) -> Option<&dyn Resume> {
        None
    }

    /// How a disk with snapshots is worked on, by a driver that knows them on some host
    /// ([`Capabilities::snapshots`] says whether on this one).
    fn layers(&self) -> Option<&dyn Layers> {
        None
    }
}

/// A VM that has been started.
pub struct RunningVm {
    /// Control over it.
    pub vm: Box<dyn Vm>,
    /// The transport's byte stream; the guest's end may open later.
    pub transport: Box<dyn ByteStream>,
    /// What happens to it; [`VmEvent::Exited`] is the last one.
    pub events: mpsc::Receiver<VmEvent>,
}

/// Control over one VM. Dropping it ends the VM at once, like [`kill`](Vm::kill).
#[async_trait]
pub trait Vm: Send + Sync {
    /// Asks the guest to power off (ACPI button or its like). Only a request.
    async fn request_power_off(&self) -> Result<(), DriverError>;

    /// Ends the VM now and waits until nothing of it is left. Must return Ok when it is already gone.
    async fn kill(&self) -> Result<(), DriverError>;

    /// What the VM takes from the host now.
    async fn usage(&self) -> Result<VmUsage, DriverError>;

    /// How its memory is saved; None where [`Capabilities::suspend`] is false.
    fn suspend(&self) -> Option<&dyn Suspend> {
        None
    }

    /// How snapshots are taken; None where [`Capabilities::snapshots`] is false.
    fn snapshots(&self) -> Option<&dyn Snapshots> {
        None
    }
}

/// What a VM takes from the host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct VmUsage {
    /// Resident memory, in bytes, helpers included.
    pub resident_bytes: u64,
    /// CPU time since the start, in milliseconds, helpers included.
    pub cpu_ms: u64,
}

/// Something happened to a VM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VmEvent {
    /// Something beside the VM ended that it cannot do without (a file server): the
    /// daemon restarts the VM in order. The text names it and says why.
    HelperFailed(String),
    /// It works less well than asked for; one sentence.
    Degraded(String),
    /// What [`Degraded`](Self::Degraded) told with the same sentence is over.
    Recovered(String),
    /// The VM is gone.
    Exited(ExitReason),
}

/// How a VM ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExitReason {
    /// The guest powered itself off.
    GuestPoweredOff,
    /// The guest's kernel stopped, or it reset itself.
    GuestCrashed,
    /// [`Vm::kill`] was called.
    Killed,
    /// The hypervisor ended by itself; one sentence with its last words.
    Failed(String),
}

/// What the driver found on this host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct HostSupport {
    /// Name and version of the hypervisor, as `QEMU 10.0.2`.
    pub hypervisor: String,
    /// The accelerator that will be used: `kvm`, `tcg`, `hvf`, `hyperv`.
    pub accelerator: String,
    /// Why it is not the fast one, if it is not; one sentence with the remedy.
    pub accelerator_note: Option<String>,
    /// What VMs of this driver can do on this host.
    pub capabilities: Capabilities,
}

/// Abilities that not every driver on every host has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub struct Capabilities {
    /// Memory can be saved to a file and the VM continued from it.
    pub suspend: bool,
    /// Memory and data disk can be kept as they are at an instant, and taken back to it.
    #[serde(default)]
    pub snapshots: bool,
    /// Freed guest memory goes back to the host.
    pub free_page_reporting: bool,
    /// Host folders can be shared.
    pub shares: bool,
    /// A data disk's file gives discarded blocks back.
    pub discard: bool,
}

/// Why a driver could not do something.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// A program or service of the host is missing or too old; names it and the remedy.
    #[error("{0}")]
    Missing(String),
    /// The configuration names something that does not fit (a disk that is not there).
    #[error("{0}")]
    Config(String),
    /// The hypervisor did not start; its last words.
    #[error("the VM did not start: {0}")]
    Start(String),
    /// The hypervisor did not answer in time.
    #[error("the hypervisor did not answer {what} within {after:?}")]
    Timeout {
        /// The request.
        what: &'static str,
        /// The bound.
        after: Duration,
    },
    /// A system call failed.
    #[error("{context}: {source}")]
    Io {
        /// What was tried.
        context: String,
        /// The cause.
        source: std::io::Error,
    },
}
