//! Saving the memory of a VM, and continuing from it.

use std::path::Path;

use async_trait::async_trait;

use crate::{DriverError, RunningVm, VmConfig};

/// A VM whose memory can be saved.
#[async_trait]
pub trait Suspend: Send + Sync {
    /// Stops the guest's processors; what it has flushed to its disks is on the host's disk then.
    async fn pause(&self) -> Result<(), DriverError>;

    /// Lets a paused guest go on, also after [`save`](Self::save), whether that succeeded or not.
    async fn unpause(&self) -> Result<(), DriverError>;

    /// Writes memory and devices of the paused VM to `memory`, a new file, which may be left
    /// half-written when it fails. It is not synced. The VM stays paused. Returns of how many bytes, from the
    /// file's beginning, [`Resume::load`] notices by itself if they are damaged.
    async fn save(&self, memory: &Path) -> Result<u64, DriverError>;
}

/// Makes VMs from saved memory.
#[async_trait]
pub trait Resume: Send + Sync {
    /// Everything of the hypervisor and the machine on which memory depends that was saved from a
    /// VM of this configuration, as text: memory fits only where it is the same.
    async fn machine(&self, config: &VmConfig) -> Result<String, DriverError>;

    /// Starts a VM with the memory that a VM of the same configuration has saved. It is paused
    /// until [`Suspend::unpause`], and its disks are untouched until then. Whatever was started is
    /// gone again if it fails.
    async fn load(&self, config: &VmConfig, memory: &Path) -> Result<RunningVm, DriverError>;
}
