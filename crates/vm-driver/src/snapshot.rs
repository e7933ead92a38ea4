//! Snapshots: memory and data disk of one instant, taken while the VM runs.
//!
//! The data disk is a file as it always was until the first snapshot. From then on writes go to a
//! layer over it, a second file, which keeps the disk's states under tags. Without tags the layer can be
//! merged into the disk, and is gone.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;

use crate::DriverError;

/// The tags under which a layer keeps states of its disk.
pub type Tags = BTreeSet<String>;

/// A VM of which snapshots can be taken.
#[async_trait]
pub trait Snapshots: Send + Sync {
    /// From now on the guest writes to this layer, which [`Layers::create`] has made over the VM's data
    /// disk; nothing has changed if it fails. Must return Ok when it does so already.
    async fn put_on(&self, layer: &Path) -> Result<(), DriverError>;

    /// Writes memory and devices of the running VM to `memory`, a new file that is not synced, and keeps
    /// the data disk's state of that instant under `tag`. Takes a layer. Returns for how long the guest was paused.
    /// [`Resume::load`](crate::Resume::load) takes the memory; whether it is damaged is the caller's to check.
    ///
    /// When it fails the guest goes on, the memory may be half-written and the tag left over.
    async fn take(&self, memory: &Path, tag: &str) -> Result<Duration, DriverError>;

    /// Deletes the states of the data disk under all other tags.
    async fn keep(&self, tags: &Tags) -> Result<(), DriverError>;
}

/// Layers of disks; unless said otherwise, of those that no VM uses.
#[async_trait]
pub trait Layers: Send + Sync {
    /// Makes an empty layer over `disk`, which nothing may write to from then on.
    async fn create(&self, disk: &Path, layer: &Path) -> Result<(), DriverError>;

    /// Enlarges the disk that a guest sees to `bytes`.
    async fn grow(&self, layer: &Path, bytes: u64) -> Result<(), DriverError>;

    /// The tags under which the layer keeps states. Of a layer that a VM uses, too.
    async fn tags(&self, layer: &Path) -> Result<Tags, DriverError>;

    /// Takes the disk back to its state under `tag`; what it is now is lost. It is as it was, or
    /// as wanted, whenever this is interrupted.
    async fn revert(&self, layer: &Path, tag: &str) -> Result<(), DriverError>;

    /// Deletes the states under all other tags.
    async fn keep(&self, layer: &Path, tags: &Tags) -> Result<(), DriverError>;

    /// Writes what a layer without tags holds to its disk: both are the same then, and the layer is of
    /// no use any more. May be repeated when it was interrupted.
    async fn merge(&self, layer: &Path) -> Result<(), DriverError>;
}
